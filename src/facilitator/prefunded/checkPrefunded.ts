import { type CheckResult, firstRefusal, passed, refused } from "#facilitator/checks/check.ts";
import { COMPUTE_MARGIN_SECONDS } from "#facilitator/checks/checkTerms.ts";
import type { PaymentTerms } from "#facilitator/checks/payment.ts";
import { recoverSigner } from "#service/recoverSigner.ts";
import type { PrefundedPayment } from "./prefundedPayment.ts";

/** A batch carries caps in 96 bits. */
const CAP_LIMIT = 1n << 96n;

/** What needs nothing but the payment itself, in the order in which a payer hears about it. */
export function checkPrefundedTerms(payment: PrefundedPayment, terms: PaymentTerms, nowSeconds: number): CheckResult {
  return firstRefusal([
    () => checkFacilitator(payment, terms),
    () => checkOffer(payment, terms),
    () => checkDeadline(payment, terms, nowSeconds),
    () => checkCap(payment),
  ]);
}

/** The call and its voucher are signed by the account's authorizer; by a key, never by a contract. */
export function checkAuthority(payment: PrefundedPayment, authorizers: readonly string[]): CheckResult {
  const { task, taskId, signature, voucher } = payment;
  const { payer } = task;
  const [authorizer] = authorizers;
  if (!isOneOf(authorizers, recoverSigner(taskId, signature))) {
    const words = `The task is not signed by ${authorizer}, who signs for the account of ${payer}; sign it with that key, for this chain and contract.`;
    return refused("invalid_task_signature", words, { payer, authorizer });
  }
  if (!voucher || isOneOf(authorizers, recoverSigner(voucher.digest, voucher.signature))) return passed;
  const words = `The voucher over ${voucher.cap} is not signed by ${authorizer}, who signs for the account of ${payer}; sign it with that key, for this chain, contract and facilitator.`;
  return refused("voucher_invalid", words, { payer, authorizer, cap: voucher.cap });
}

function isOneOf(authorizers: readonly string[], signer: string | undefined): boolean {
  return signer !== undefined && authorizers.includes(signer);
}

function checkFacilitator({ facilitator: at, requirements }: PrefundedPayment, { facilitator }: PaymentTerms) {
  const other = [at, requirements.extra.facilitator].find((named) => named !== facilitator);
  if (other === undefined) return passed;
  const words = `The payment names facilitator ${other} but was sent to ${facilitator}; send it to the one it names.`;
  return refused("task_facilitator_mismatch", words, { have: other, need: facilitator });
}

function checkOffer({ task, requirements }: PrefundedPayment, { taskEscrow, token }: PaymentTerms): CheckResult {
  const pairs: readonly (readonly [string, string | bigint, string | bigint])[] = [
    ["payTo", requirements.payTo, taskEscrow],
    ["asset", requirements.asset, token],
    ["maxAmount", task.maxAmount, requirements.amount],
  ];
  for (const [field, have, need] of pairs) {
    if (have === need) continue;
    const words = `The payment's ${field} is ${have} and has to be ${need}; accept and sign the offer as it is.`;
    return refused("task_terms_mismatch", words, { field, have, need });
  }
  return passed;
}

function checkDeadline({ task }: PrefundedPayment, { maxTaskSeconds }: PaymentTerms, nowSeconds: number): CheckResult {
  const [earliest, latest] = [nowSeconds + COMPUTE_MARGIN_SECONDS, nowSeconds + maxTaskSeconds];
  const { deadline } = task;
  if (deadline > latest) {
    const words = `The task is due at ${deadline}; choose a deadline of ${latest} or earlier.`;
    return refused("task_deadline_too_far", words, { have: deadline, need: latest });
  }
  if (deadline >= earliest) return passed;
  const words = `The task is due at ${deadline}, which leaves no time to compute it; request a new quote and sign it.`;
  return refused("task_deadline_expired", words, { have: deadline, need: earliest });
}

function checkCap({ voucher }: PrefundedPayment): CheckResult {
  if (!voucher || voucher.cap < CAP_LIMIT) return passed;
  const words = `A voucher's cap has to be below 2^96 for a batch to carry it; sign a lower one than ${voucher.cap}.`;
  return refused("voucher_invalid", words, { cap: voucher.cap });
}
