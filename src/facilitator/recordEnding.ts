import { OpgError } from "#protocol/errors.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import type { Dependencies } from "./dependencies.ts";

/** How a task ended on chain: paid, refunded under refusals, or refunded because it was overdue. */
type Ending = "settled" | "refused" | "refunded";

/**
 * Records the end of a task that the chain has closed, by whose transaction ever.
 *
 * @returns false while its lock is open
 */
export async function recordEndingOnChain(dependencies: Dependencies, stored: StoredTask): Promise<boolean> {
  const { status } = await dependencies.escrow.lockOf(stored.taskId);
  if (status === "open") return false;
  await recordEnding(dependencies, stored, await readEnding(dependencies, stored));
  return true;
}

/** Records an end that is known, by the steps that lead there from where the task stands. */
export async function recordEnding({ store, logger }: Dependencies, stored: StoredTask, ending: Ending): Promise<void> {
  const { taskId, state } = stored;
  const isUndecided = state === "released" || state === "certified";
  if (isUndecided && ending === "refused") await store.recordRefused(taskId, null);
  if (isUndecided && ending === "refunded") await store.recordExpiry(taskId);
  const final = ending === "settled" ? "settled" : "refunded";
  await store.recordEnding(taskId, final);
  logger.info({ taskId, state: final }, "task ended");
}

async function readEnding({ settlement, escrow, network }: Dependencies, stored: StoredTask): Promise<Ending> {
  const { taskId, transactions } = stored;
  const opening = transactions.find(({ purpose, status }) => purpose === "open" && status === "included");
  const range = { fromBlock: opening?.blockNumber ?? network.deploymentBlock };
  const [atSettlement, atEscrow] = await Promise.all([
    settlement.eventsOf(taskId, range),
    escrow.eventsOf(taskId, range),
  ]);
  if (atSettlement.some(({ name }) => name === "TaskSettled")) return "settled";
  if (atSettlement.some(({ name }) => name === "TaskRefused")) return "refused";
  if (atEscrow.some(({ name }) => name === "TaskRefunded")) return "refunded";
  throw new OpgError("chain_unavailable", "The chain does not say yet how the task ended; try again in a moment.", {
    taskId,
  });
}
