import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import { policies } from "#protocol/task.ts";
import type { Gateway } from "./gateway.ts";
import { facilitatorOf } from "./facilitatorOf.ts";
import type { SentPayment, SentTaskPayment, SentUptoPayment } from "./readPayment.ts";
import { checkAccepted, requestMismatch, uptoRequirementsOf } from "./uptoTerms.ts";

/** Clocks of gateway replicas differ; an offer of one is good at all. */
const CLOCK_SKEW_SECONDS = 10;

/** What the payer may not change in an offered task: all but payer and nonce. */
const offeredFields = ["node", "model", "request", "policy", "maxAmount", "deadline"] as const;

/** What the body of the same request says. */
export interface PaidFor {
  versionId: string;
  /** Digest of version and inputs under the salt that the payment names. */
  request: string;
  /** Price ceiling as it would be offered now, atomic units. */
  price: bigint;
}

/**
 * Checks a payment against the request it came with, as if it had never been offered: everything follows from network,
 * body and payment. Signature and funds are the facilitator's to check.
 *
 * @throws OpgError `task_terms_mismatch`, `task_request_mismatch`, `task_underpaid`, `permit2_amount_mismatch`,
 * `permit2_deadline_expired`, `task_deadline_expired`, `task_deadline_too_far`
 */
export function checkPayment(gateway: Gateway, payment: SentPayment, paidFor: PaidFor): void {
  if (payment.scheme === "upto") checkUptoPayment(gateway, payment, paidFor);
  else checkTaskPayment(gateway, payment, paidFor);
}

function checkTaskPayment(gateway: Gateway, payment: SentTaskPayment, paidFor: PaidFor): void {
  const { model, request, maxAmount, deadline } = payment.task;
  checkTerms(gateway, payment);
  if (model !== paidFor.versionId || request !== paidFor.request) throw requestMismatch();
  if (maxAmount < paidFor.price) throw underpaid(maxAmount, paidFor.price);
  const expired = payment.scheme === "prefunded" ? "task_deadline_expired" : "permit2_deadline_expired";
  checkDeadline(gateway, BigInt(deadline), gateway.settings.taskSeconds + CLOCK_SKEW_SECONDS, expired);
}

/** Checks what a task cannot be made without; the facilitator checks every term of the authorization. */
function checkUptoPayment(gateway: Gateway, { payload, salt, authorization }: SentUptoPayment, paidFor: PaidFor): void {
  const { request, price } = paidFor;
  const { maxTaskSeconds, settleWindowSeconds } = gateway.network.parameters;
  checkAccepted(payload.accepted, uptoRequirementsOf(gateway, { price, salt, request }));
  checkDeadline(
    gateway,
    authorization.deadline - BigInt(settleWindowSeconds),
    maxTaskSeconds,
    "permit2_deadline_expired",
  );
  const { amount } = authorization.permitted;
  if (amount === price) return;
  const message = `The authorization permits ${amount} atomic units and the offer says ${price}; sign the amount of the offer.`;
  throw new OpgError("permit2_amount_mismatch", message, { have: amount, need: price });
}

function checkTerms(gateway: Gateway, { accepted, task: signed, facilitator }: SentTaskPayment): void {
  const { contracts, parameters } = gateway.network;
  const offered = accepted.extra.task;
  const { address } = facilitatorOf(gateway.network);
  const pairs: [string, unknown, unknown][] = [
    ["asset", accepted.asset, contracts.opg],
    ["payTo", accepted.payTo, contracts.taskEscrow],
    ["extra.facilitator", accepted.extra.facilitator, address],
    ["facilitator", facilitator, address],
    ["extra.settleWindowSeconds", accepted.extra.settleWindowSeconds, parameters.settleWindowSeconds],
    ["amount", accepted.amount, signed.maxAmount],
    ["task.policy", signed.policy, policies.reExecution],
    ...offeredFields.map((field): [string, unknown, unknown] => [`task.${field}`, signed[field], offered[field]]),
  ];
  const wrong = pairs.find(([, have, need]) => have !== need);
  if (!wrong) return;
  const [field, have, need] = wrong;
  const message = `The payment's ${field} is ${String(have)} and must be ${String(need)}; sign the offer as it is, only payer and nonce are yours to set.`;
  throw new OpgError("task_terms_mismatch", message, { field, have: String(have), need: String(need) });
}

function underpaid(have: bigint, need: bigint): OpgError {
  const message = `The payment allows ${have} atomic units and this request can cost ${need}; ask for a new offer and sign that.`;
  return new OpgError("task_underpaid", message, { have, need });
}

function checkDeadline({ clock }: Gateway, deadline: bigint, longestSeconds: number, expired: ErrorCode): void {
  const now = clock();
  const latest = now + longestSeconds;
  if (deadline <= now) {
    const message = `The offer ended at ${deadline}; ask for a new one and sign that.`;
    throw new OpgError(expired, message, { have: deadline, need: now });
  }
  if (deadline > latest) {
    const message = `The task's deadline ${deadline} is later than ${latest}; sign the offer as it is.`;
    throw new OpgError("task_deadline_too_far", message, { have: deadline, need: latest });
  }
}
