import { toQuantity } from "ethers";
import { z } from "zod";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import { rpc } from "#scripts/chaos/rpc.ts";
import type { FaultOf } from "./faultPlan.ts";

const blockJson = z.object({ transactions: z.array(z.string()) });

/** Replaces the newest blocks by as many others, with their transactions in them or without. */
export function reorganise(processes: ChaosProcesses, { blocks, putBack }: FaultOf<"reorg">): Promise<void> {
  const { chainUrl } = processes;
  return processes.blocks.alone(async () => {
    const kept = putBack ? await transactionsOf(chainUrl, blocks) : [];
    await rpc(chainUrl, "anvil_reorg", [blocks, kept]);
    // The new blocks stand closer to each other than the old ones, so the chain's time falls behind.
    await rpc(chainUrl, "evm_setTime", [Math.floor(Date.now() / 1000)]);
  });
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
  return blockJson.parse(await rpc(chainUrl, "eth_getBlockByNumber", [toQuantity(number), false])).transactions;
}
