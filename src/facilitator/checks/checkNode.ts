import { type CheckResult, passed, refused } from "./check.ts";
import type { PaymentFacts, TaskPayment } from "./payment.ts";

/** A node that was retired, revoked or not renewed, or whose measurement has ended, gets no new task: nobody would check its result. */
export function checkNodeActive(
  { task }: Pick<TaskPayment, "task">,
  { nodeActive, claim }: Pick<PaymentFacts, "nodeActive"> & Partial<Pick<PaymentFacts, "claim">>,
): CheckResult {
  if (nodeActive || claim === "same") return passed;
  const { node } = task;
  return refused("no_active_node", `Node ${node} takes no tasks now; request a new quote, which names another.`, {
    node,
  });
}
