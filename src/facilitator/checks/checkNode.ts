import { type CheckResult, passed, refused } from "./check.ts";
import type { PaymentFacts, PaymentTerms, TaskPayment } from "./payment.ts";

/** A node that was retired, revoked or not renewed, or whose measurement has ended, gets no new task: nobody would check its result. */
export function checkNodeActive(
  { task }: Pick<TaskPayment, "task">,
  _terms: PaymentTerms,
  { nodeActive, claim }: Pick<PaymentFacts, "nodeActive" | "claim">,
): CheckResult {
  if (nodeActive || claim === "same") return passed;
  const { node } = task;
  return refused("no_active_node", `Node ${node} takes no tasks now; request a new quote, which names another.`, {
    node,
  });
}
