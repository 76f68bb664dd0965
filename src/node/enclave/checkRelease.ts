import { OpgError } from "#protocol/errors.ts";
import type { ReleasedRequest } from "#protocol/messages.ts";
import { isSignedBy } from "#protocol/signedDocument.ts";
import { policies, releaseTypedData, type Task, taskIdOf } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";

/** How far a release may lie in the past or, by another clock, in the future. */
export const MAX_RELEASE_AGE_SECONDS = 60;

/** What of a request the host may see. */
export type ReleasedTask = Pick<ReleasedRequest, "task" | "release">;

/** Less than this before its deadline, a task is not begun. */
export const MIN_SECONDS_LEFT = 3;

/**
 * Checks that the facilitator that a release names released this task to this node. Whether that one is a facilitator at all,
 * the chain alone can say.
 *
 * @param node - this node's signing address
 * @throws OpgError `invalid_release` or `task_terms_mismatch`
 */
export function checkRelease({ task, release }: ReleasedTask, node: string, taskEscrow: Domain): void {
  const taskId = taskIdOf(task, taskEscrow);
  if (release.taskId !== taskId) {
    throw new OpgError("invalid_release", "The release is for another task; send the one for this task.", { taskId });
  }
  if (!isSignedBy(release.facilitator, releaseTypedData(release, taskEscrow), release.signature)) {
    throw new OpgError("invalid_release", "The release is not signed by the facilitator that it names.", { taskId });
  }
  if (task.node !== node) {
    throw new OpgError("invalid_release", `The task is for node ${task.node}; send it there.`, { node: task.node });
  }
  if (task.policy !== policies.reExecution) {
    const message = `Policy ${task.policy} is not offered here; ask for a task under policy ${policies.reExecution}.`;
    throw new OpgError("task_terms_mismatch", message, { policy: task.policy });
  }
}

/** The error of a node that the registry does not let take new tasks. */
export function notActive(node: string): OpgError {
  const message = "This node takes no new tasks: its lease or its measurement has ended, or it was retired.";
  return new OpgError("no_active_node", message, { node });
}

/**
 * Checks that a task was released just now and can be done in time.
 *
 * @param now - seconds since 1970
 * @throws OpgError `invalid_release` or `timeout`
 */
export function checkTimeLeft({ deadline }: Task, releasedAt: number, now: number): void {
  if (Math.abs(now - releasedAt) > MAX_RELEASE_AGE_SECONDS) {
    const message = `The release is not of the last ${MAX_RELEASE_AGE_SECONDS} seconds; nothing was computed and the payment will be refunded.`;
    throw new OpgError("invalid_release", message, { releasedAt, now });
  }
  if (deadline - now < MIN_SECONDS_LEFT) {
    const message = "The task's deadline leaves no time to compute; the payment will be refunded.";
    throw new OpgError("timeout", message, { deadline, now });
  }
}
