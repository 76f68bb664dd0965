import type { Provider } from "ethers";
import { ISettlement__factory } from "#typechain/index.ts";
import type { TaskStructOutput } from "#typechain/interfaces/ITaskEscrow.ts";

/**
 * The model version of a task that a transaction settled or captured, read from what it called Settlement with.
 *
 * @returns nothing where it was sent by way of another contract
 */
export async function settledModel(
  provider: Provider,
  settlement: string,
  transactionHash: string,
): Promise<string | undefined> {
  const transaction = await provider.getTransaction(transactionHash);
  if (transaction?.to !== settlement) return undefined;
  const called = ISettlement__factory.createInterface().parseTransaction(transaction);
  if (called?.name !== "settle" && called?.name !== "capture") return undefined;
  return (called.args[0] as TaskStructOutput).model;
}
