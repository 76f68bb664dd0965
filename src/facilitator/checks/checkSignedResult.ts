import type { Domain } from "#protocol/typedData.ts";
import { type Result, resultHashOf, type SignedResult } from "#protocol/result.ts";
import type { Task } from "#protocol/task.ts";
import { recoverSigner } from "#service/recoverSigner.ts";
import { type CheckResult, firstRefusal, passed, refused } from "./check.ts";

/** A result is of this task, signed by its node, in time and within the ceiling: what Settlement would refuse otherwise. */
export function checkSignedResult(
  { result, nodeSignature }: SignedResult,
  { taskId, task, settlement }: { taskId: string; task: Task; settlement: Domain },
): CheckResult {
  return firstRefusal([
    () => checkResultTask(result, taskId),
    () => checkNodeSignature(result, nodeSignature, task, settlement),
    () => checkCharge(result, task),
    () => checkCompletion(result, task),
  ]);
}

export function checkResultTask(result: Pick<Result, "taskId">, taskId: string): CheckResult {
  if (result.taskId === taskId) return passed;
  return refused("invalid_body", `The result is of task ${result.taskId}; send it to that task.`, {
    have: result.taskId,
    need: taskId,
  });
}

function checkNodeSignature(
  result: Result,
  nodeSignature: string,
  { node }: Pick<Task, "node">,
  settlement: Domain,
): CheckResult {
  if (recoverSigner(resultHashOf(result, settlement), nodeSignature) === node) return passed;
  return refused(
    "invalid_signature",
    `The result is not signed by the task's node ${node}; sign it with that node's key.`,
    { node },
  );
}

function checkCharge({ amount }: Pick<Result, "amount">, { maxAmount }: Pick<Task, "maxAmount">): CheckResult {
  if (amount <= maxAmount) return passed;
  return refused(
    "charge_exceeds_ceiling",
    `The result charges ${amount} atomic units; the payer signed ${maxAmount} at most.`,
    { have: amount, need: maxAmount },
  );
}

function checkCompletion(
  { completedAt }: Pick<Result, "completedAt">,
  { deadline }: Pick<Task, "deadline">,
): CheckResult {
  if (completedAt <= deadline) return passed;
  return refused(
    "certificate_incomplete",
    `The result was completed at ${completedAt}, after the task's deadline ${deadline}; the payer will be refunded.`,
    { have: completedAt, need: deadline },
  );
}
