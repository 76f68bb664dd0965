import { setTimeout as sleep } from "node:timers/promises";
import { toQuantity } from "ethers";
import { z } from "zod";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import { rpc } from "#scripts/chaos/rpc.ts";
import type { FaultOf } from "./faultPlan.ts";

const blockJson = z.object({ transactions: z.array(z.string()) }).nullable();
/** anvil counts a block a moment before it shows it. */
const SHOWN_AFTER_MS = 20;

/** Replaces the newest blocks by as many others, with their transactions in them or without. */
export async function reorganise({ chainUrl }: ChaosProcesses, { blocks, putBack }: FaultOf<"reorg">): Promise<void> {
  const kept = putBack ? await transactionsOf(chainUrl, blocks) : [];
  await rpc(chainUrl, "anvil_reorg", [blocks, kept]);
  // The new blocks stand closer to each other than the old ones, so the chain's time falls behind.
  await rpc(chainUrl, "evm_setTime", [Math.floor(Date.now() / 1000)]);
}

/** Signed transactions of the newest blocks, each with its block counted from the oldest of them. */
async function transactionsOf(chainUrl: string, blocks: number): Promise<[string, number][]> {
  const newest = Number(await rpc(chainUrl, "eth_blockNumber"));
  const found: [string, number][] = [];
  for (let place = 0; place < blocks; place++) {
    for (const hash of await transactionsIn(chainUrl, newest - blocks + 1 + place)) {
      found.push([z.string().parse(await rpc(chainUrl, "eth_getRawTransactionByHash", [hash])), place]);
    }
  }
  return found;
}

async function transactionsIn(chainUrl: string, number: number): Promise<string[]> {
  for (;;) {
    const block = blockJson.parse(await rpc(chainUrl, "eth_getBlockByNumber", [toQuantity(number), false]));
    if (block) return block.transactions;
    await sleep(SHOWN_AFTER_MS);
  }
}
