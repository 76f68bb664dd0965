import { policies } from "#protocol/task.ts";
import { type CheckResult, passed, refused } from "./check.ts";
import { COMPUTE_MARGIN_SECONDS } from "./checkTerms.ts";
import type { PaymentTerms, UptoPayment } from "./payment.ts";

/** The money may move to TaskEscrow, and to nobody else. */
export function checkUptoRecipient(
  { authorization, requirements }: UptoPayment,
  { taskEscrow }: PaymentTerms,
): CheckResult {
  const other = [authorization.witness.to, requirements.payTo].find((recipient) => recipient !== taskEscrow);
  if (other === undefined) return passed;
  const words = `The payment goes to ${other}; sign one for TaskEscrow ${taskEscrow}, which pays for tasks.`;
  return refused("invalid_permit2_recipient_mismatch", words, { have: other, need: taskEscrow });
}

/** Only our entry can use the authorization. */
export function checkUptoEntry({ authorization }: UptoPayment, { entry }: PaymentTerms): CheckResult {
  const have = authorization.witness.facilitator;
  if (have === entry) return passed;
  const words = `The authorization names facilitator ${have ?? "none"}; sign one for ${entry}, or send it to the one it names.`;
  return refused("upto_facilitator_mismatch", words, { have, need: entry });
}

/** There is time to compute before the task is due, and TaskEscrow takes no authorization for longer than its maximum. */
export function checkUptoDeadline(
  { authorization }: UptoPayment,
  { maxTaskSeconds, settleWindowSeconds }: PaymentTerms,
  nowSeconds: number,
): CheckResult {
  const have = authorization.deadline;
  const earliest = BigInt(nowSeconds + COMPUTE_MARGIN_SECONDS + settleWindowSeconds);
  const latest = BigInt(nowSeconds + maxTaskSeconds + settleWindowSeconds);
  if (have < earliest) {
    const words = `The authorization ends at ${have}, which leaves no time to compute and settle; sign one that lasts until ${earliest} or longer.`;
    return refused("permit2_deadline_expired", words, { have, need: earliest });
  }
  if (have <= latest) return passed;
  const words = `The authorization ends at ${have}; sign one that ends at ${latest} or earlier.`;
  return refused("task_deadline_too_far", words, { have, need: latest });
}

/** Everything in the proposed task that the payer's signature fixes follows from it. */
export function checkProposedTask(
  { authorization, task }: UptoPayment,
  { settleWindowSeconds }: PaymentTerms,
): CheckResult {
  const pairs: readonly (readonly [string, string | bigint, string | bigint])[] = [
    ["payer", task.payer, authorization.from],
    ["nonce", task.nonce, authorization.nonce],
    ["maxAmount", task.maxAmount, authorization.permitted.amount],
    ["deadline", BigInt(task.deadline), authorization.deadline - BigInt(settleWindowSeconds)],
    ["policy", BigInt(task.policy), BigInt(policies.reExecution)],
  ];
  const wrong = pairs.find(([, have, need]) => have !== need);
  if (!wrong) return passed;
  const [field, have, need] = wrong;
  const words = `The proposed task's ${field} is ${have}, the authorization requires ${need}; propose the task that follows from it.`;
  return refused("task_authorization_mismatch", words, { field, have, need });
}
