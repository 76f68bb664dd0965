import { OpgError } from "#protocol/errors.ts";
import type { ReleasedTask } from "#protocol/messages.ts";
import type { Gateway } from "./gateway.ts";

/** Errors below 500 that the node may name because they are about the request itself; any other is the node's fault. */
const payersErrors = new Set([
  "execution_failed",
  "charge_exceeds_ceiling",
  "invalid_tensor",
  "task_lost",
  "rate_limited",
]);

/** What a failure after the release means to the payer: whether money comes back, when, and by whom. */
export function failedTask(
  { network, logger }: Pick<Gateway, "network" | "logger">,
  { taskId, task, transactions }: ReleasedTask,
  cause: unknown,
): unknown {
  if (!(cause instanceof OpgError)) return cause;
  const code = cause.status >= 500 || payersErrors.has(cause.code) ? cause.code : "node_unavailable";
  logger.warn({ taskId, code: cause.code, node: task.node }, "task failed after its release");
  const isLocked = transactions.some(({ purpose }) => purpose === "open");
  const refundAfter = task.deadline + network.parameters.settleWindowSeconds;
  const outcome = outcomeOf(isLocked, code === "result_refused", new Date(refundAfter * 1000).toISOString());
  const reason = cause.message.replace(/\.$/, "");
  const values = { taskId, ...(isLocked ? { refundAfter } : {}) };
  return new OpgError(code, `Task ${taskId} has no answer (${reason}); ${outcome}.`, values, { cause });
}

function outcomeOf(isLocked: boolean, isRefused: boolean, latest: string): string {
  if (isRefused && isLocked)
    return "the verifiers refused its result, so the whole amount returns to the payer at once";
  if (isRefused) return "the verifiers refused its result, so nothing is charged";
  if (!isLocked) return `nothing was locked, and unless it is still certified, until ${latest}, nothing is charged`;
  return `unless it is still certified, the whole amount returns to the payer, at the latest from ${latest} on`;
}
