import { type CheckResult, passed, refused } from "./check.ts";
import type { PaymentTerms, TaskPayment, WitnessedPayment } from "./payment.ts";

/** Seconds that a Permit2 authorization must still be good for: inclusion takes a few blocks. */
const AUTHORIZATION_MARGIN_SECONDS = 6;
/** Seconds that the task's own deadline must leave: for the lock's inclusion, and then for computing. */
export const COMPUTE_MARGIN_SECONDS = 10;

/** The money may move to TaskEscrow, and to nobody else. */
export function checkSpender(
  { authorization, requirements }: WitnessedPayment,
  { taskEscrow }: PaymentTerms,
): CheckResult {
  const other = [authorization.spender, requirements.payTo].find((spender) => spender !== taskEscrow);
  if (other === undefined) return passed;
  return refused(
    "invalid_permit2_spender",
    `The authorization lets ${other} spend; sign one for TaskEscrow ${taskEscrow}.`,
    {
      have: other,
      need: taskEscrow,
    },
  );
}

/** The payment was quoted for this facilitator. */
export function checkFacilitator({ requirements }: WitnessedPayment, { facilitator }: PaymentTerms): CheckResult {
  const named = requirements.extra.facilitator;
  if (named === facilitator) return passed;
  return refused(
    "task_facilitator_mismatch",
    `The payment names facilitator ${named} but was sent to ${facilitator}; send it to the one it names.`,
    {
      have: named,
      need: facilitator,
    },
  );
}

/** Everything in an authorization follows from its task; what was signed says the same thing twice. */
export function checkWitness({ authorization }: WitnessedPayment, { settleWindowSeconds }: PaymentTerms): CheckResult {
  const task = authorization.witness;
  const pairs: readonly (readonly [string, string | bigint, string | bigint])[] = [
    ["from", authorization.from, task.payer],
    ["nonce", authorization.nonce, task.nonce],
    ["permitted.amount", authorization.permitted.amount, task.maxAmount],
    ["deadline", authorization.deadline, BigInt(task.deadline + settleWindowSeconds)],
  ];
  for (const [field, have, need] of pairs) {
    if (have === need) continue;
    return refused(
      "task_authorization_mismatch",
      `The authorization's ${field} is ${have}, its task requires ${need}; sign the typed data as it was given.`,
      {
        field,
        have,
        need,
      },
    );
  }
  return passed;
}

/** There is time left to lock the money and to compute. */
export function checkNotExpired(
  { authorization }: WitnessedPayment,
  _terms: PaymentTerms,
  nowSeconds: number,
): CheckResult {
  const need = BigInt(nowSeconds + AUTHORIZATION_MARGIN_SECONDS);
  if (authorization.deadline < need) {
    return refused(
      "permit2_deadline_expired",
      `The authorization ends at ${authorization.deadline} and had to last until ${need}; request a new quote and sign it.`,
      {
        have: authorization.deadline,
        need,
      },
    );
  }
  const { deadline } = authorization.witness;
  const earliest = nowSeconds + COMPUTE_MARGIN_SECONDS;
  if (deadline >= earliest) return passed;
  return refused(
    "permit2_deadline_expired",
    `The task is due at ${deadline}, which leaves no time to compute it; request a new quote and sign it.`,
    {
      have: deadline,
      need: earliest,
    },
  );
}

/** TaskEscrow locks no money for longer than its maximum. */
export function checkNotTooFar(
  { authorization }: WitnessedPayment,
  { maxTaskSeconds }: PaymentTerms,
  nowSeconds: number,
): CheckResult {
  const { deadline } = authorization.witness;
  const latest = nowSeconds + maxTaskSeconds;
  if (deadline <= latest) return passed;
  return refused(
    "task_deadline_too_far",
    `The task is due at ${deadline}; choose a deadline of ${latest} or earlier.`,
    {
      have: deadline,
      need: latest,
    },
  );
}

/** The authorization is for the amount that was asked for. */
export function checkAmount({ authorization, requirements }: TaskPayment): CheckResult {
  const { amount } = authorization.permitted;
  if (amount === requirements.amount) return passed;
  return refused(
    "permit2_amount_mismatch",
    `The authorization is for ${amount} atomic units; sign one for ${requirements.amount}.`,
    {
      have: amount,
      need: requirements.amount,
    },
  );
}

/** The authorization is for the token that TaskEscrow holds. */
export function checkToken({ authorization, requirements }: TaskPayment, { token }: PaymentTerms): CheckResult {
  const other = [authorization.permitted.token, requirements.asset].find((asset) => asset !== token);
  if (other === undefined) return passed;
  return refused("permit2_token_mismatch", `The authorization is for token ${other}; pay with OPG ${token}.`, {
    have: other,
    need: token,
  });
}
