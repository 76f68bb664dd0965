import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";
import type { Task } from "#protocol/task.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import { requirePassed } from "./checks/check.ts";
import { nonceTaken } from "./checks/checkFunds.ts";
import type { TaskPayment } from "./checks/payment.ts";
import type { Dependencies } from "./dependencies.ts";

const POLL_SECONDS = 0.1;

/**
 * The task that this very signature was first used for. Nothing of the payment has to be checked again: the bytes are those
 * that passed before.
 *
 * @throws OpgError `permit2_invalid_nonce` when the task was for another request
 */
export async function findPinned({ store }: Dependencies, payment: TaskPayment): Promise<StoredTask | undefined> {
  const { authorization, digest, signature } = payment;
  const holding = await store.holdingOf(authorization.from, authorization.nonce, null);
  const pinned = holding && (await store.findTask(holding.holder));
  if (pinned?.paymentDigest !== digest || pinned.signature !== signature) return undefined;
  requireSameRequest(payment, pinned.task);
  return pinned;
}

/** One authorization pays for one request. @throws OpgError `permit2_invalid_nonce` */
export function requireSameRequest({ task }: TaskPayment, pinned: Task): void {
  if (task.model !== pinned.model || task.request !== pinned.request) requirePassed(nonceTaken(task.nonce));
}

/**
 * Waits until a claim was released or rejected, by whichever request or process made it.
 *
 * @throws OpgError `timeout`
 */
export async function whenDecided({ store }: Dependencies, taskId: string, endMs: number): Promise<StoredTask> {
  for (;;) {
    const stored = await store.findTask(taskId);
    if (stored && stored.state !== "claimed") return stored;
    if (Date.now() > endMs) {
      throw new OpgError(
        "timeout",
        "The money is being locked, but no block shows it yet; send the same payment again in a moment.",
        { taskId },
      );
    }
    await sleep(POLL_SECONDS * 1000);
  }
}
