import { CallReverted } from "#chain/submitCall.ts";
import type { Dependencies } from "./dependencies.ts";
import { sendOpening } from "./openTask.ts";

/**
 * Locks the money of a released task once more whose lock a reorganisation took away, where the transaction itself did not
 * come back. What cannot be locked any more is owed without a lock from then on, and captured while that is possible.
 *
 * @throws OpgError `chain_unavailable`
 */
export async function relockTask(dependencies: Dependencies, taskId: string): Promise<void> {
  const { store, escrow, logger } = dependencies;
  const stored = await store.findTask(taskId);
  const opening = stored?.transactions.findLast(({ purpose }) => purpose === "open");
  if (!stored || opening?.status === "sent" || (await escrow.lockOf(taskId)).status !== "none") return;
  try {
    await sendOpening(dependencies, stored);
  } catch (error) {
    if (!(error instanceof CallReverted)) throw error;
    await store.recordLockLost(taskId);
    logger.error(
      { taskId, payer: stored.task.payer, reason: error.revert?.words },
      "a lock was lost by a reorganisation",
    );
  }
}
