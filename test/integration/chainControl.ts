import { setTimeout as sleep } from "node:timers/promises";
import type { JsonRpcProvider } from "ethers";

const POLL_MS = 50;
const PATIENCE_MS = 60_000;

/** Waits until something holds; a journey that waits longer has gone wrong. */
export async function until(holds: () => Promise<boolean>, patienceMs = PATIENCE_MS): Promise<void> {
  const lastTry = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > lastTry) throw new Error(`what the journey waits for did not happen in ${patienceMs / 1000} s`);
    await sleep(POLL_MS);
  }
}

/** How many transactions wait for the next block. */
export async function pendingTransactions(provider: JsonRpcProvider): Promise<number> {
  const { pending } = (await provider.send("txpool_status", [])) as { pending: string };
  return Number(pending);
}

/** Moves the chain's time ahead of the machine's; it stays ahead. */
export async function passSeconds(provider: JsonRpcProvider, seconds: number): Promise<void> {
  const late = ((await provider.getBlock("latest"))?.timestamp ?? 0) + seconds;
  await provider.send("evm_setNextBlockTimestamp", [late]);
  await until(async () => ((await provider.getBlock("latest"))?.timestamp ?? 0) >= late);
}
