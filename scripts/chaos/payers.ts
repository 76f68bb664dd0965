import { id, type JsonRpcProvider, parseEther, toQuantity, Wallet } from "ethers";
import { OpgAdapter } from "#chain/opg.ts";
import type { Call } from "#chain/call.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import type { Network } from "#protocol/network.ts";
import { hasTasks, MOST_TASKS, PAYERS } from "./drawPlan.ts";
import { holdsWithin } from "./within.ts";

/** What every payer has, atomic units of OPG: enough for most of what a trial may ask of it. */
export const BALANCE = 3_000n;
/** What somebody has who pays for tasks. */
export const TASK_BALANCE = parseEther("1");
const ETHER = parseEther("1");
const GAS = 100_000n;
const FEES = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n };
/** A reorg may not take the payers' money away. */
const BURIED_BLOCKS = 5;
const PATIENCE_SECONDS = 60;

/** A payer, a merchant, or a customer of the network's own nodes, the same for the same seed. */
export function accountOf(seed: number, role: "payer" | "merchant" | "customer", index: number): Wallet {
  return new Wallet(id(`chaos ${seed} ${role} ${index}`));
}

/** Gives the payers of trials their money, and has them allow Permit2 to move it; deep enough that no reorg undoes it. */
export async function fundPayers(network: Network, provider: JsonRpcProvider, seeds: readonly number[]): Promise<void> {
  const opg = new OpgAdapter(network.contracts.opg, provider);
  const faucet = new Wallet(localAccount("faucet").privateKey);
  const payers = [
    ...seeds.flatMap((seed) => fundedAs(seed, "payer", PAYERS, BALANCE)),
    ...seeds.filter(hasTasks).flatMap((seed) => fundedAs(seed, "customer", MOST_TASKS, TASK_BALANCE)),
  ];
  let nonce = await provider.getTransactionCount(faucet.address);
  const send = async (from: Wallet, atNonce: number, call: Call) => {
    const terms = { type: 2, chainId: network.chainId, gasLimit: GAS, nonce: atNonce, ...FEES };
    await provider.broadcastTransaction(await from.signTransaction({ ...terms, ...call }));
  };
  const first = await provider.getBlockNumber();
  for (const { payer, balance } of payers) {
    await provider.send("anvil_setBalance", [payer.address, toQuantity(ETHER)]);
    await send(faucet, nonce++, opg.populateTransfer(payer.address, balance));
    await send(payer, 0, opg.populateApprovePermit2());
  }
  const areReady = async (): Promise<boolean> => {
    const [block, last] = await Promise.all([
      provider.getBlockNumber(),
      opg.allowanceToPermit2(payers.at(-1)?.payer.address ?? ""),
    ]);
    if (last === 0n || block < first + BURIED_BLOCKS) return false;
    return (await provider.getTransactionCount(faucet.address, block - BURIED_BLOCKS)) === nonce;
  };
  if (!(await holdsWithin(PATIENCE_SECONDS, areReady))) throw new Error("the payers' money did not arrive in a minute");
}

function fundedAs(seed: number, role: "payer" | "customer", count: number, balance: bigint) {
  return Array.from({ length: count }, (_, index) => ({ payer: accountOf(seed, role, index), balance }));
}
