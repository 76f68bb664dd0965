import type { Provider } from "ethers";
import { ISettlement__factory } from "#typechain/index.ts";
import { type BlockRange, searchBlocks } from "./blockRange.ts";

/**
 * Digests of the results that were paid for under certificates of one epoch, oldest first.
 *
 * @param settlement - address of Settlement
 */
export function settledResults(
  provider: Provider,
  settlement: string,
  epoch: bigint,
  range: BlockRange,
): Promise<string[]> {
  const contract = ISettlement__factory.connect(settlement, provider);
  return searchBlocks(provider, range, async (from, to) => {
    const logs = await contract.queryFilter(contract.filters.TaskSettled(undefined, undefined, epoch), from, to);
    return logs.map(({ args }) => args.resultHash);
  });
}
