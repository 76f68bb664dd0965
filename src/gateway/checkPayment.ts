import { type ErrorValues, OpgError } from "#protocol/errors.ts";
import { policies, type Task } from "#protocol/task.ts";
import type { Gateway } from "./gateway.ts";
import { facilitatorOf } from "./offer.ts";
import type { SentPayment } from "./readPayment.ts";

/** Clocks of gateway replicas differ; an offer of one is good at all. */
const CLOCK_SKEW_SECONDS = 10;

/** What the payer may not change in an offered task: all but payer and nonce. */
const offeredFields = ["node", "model", "request", "policy", "maxAmount", "deadline"] as const;

/** What the body of the same request says. */
export interface PaidFor {
  versionId: string;
  /** Digest of version and inputs under the salt that the payment names. */
  request: string;
  /** Of the body, where it names one. */
  salt: string | undefined;
  /** Price ceiling as it would be offered now, atomic units. */
  price: bigint;
}

/**
 * Checks a payment against the request it came with, as if it had never been offered: nothing is remembered, so
 * everything follows from network, body and task. Signature and funds are the facilitator's to check.
 *
 * @throws OpgError `task_terms_mismatch`, `task_request_mismatch`, `task_underpaid`, `permit2_deadline_expired`,
 * `task_deadline_too_far`
 */
export function checkPayment(gateway: Gateway, payment: SentPayment, paidFor: PaidFor): void {
  checkTerms(gateway, payment);
  checkRequest(payment, paidFor);
  checkDeadline(gateway, payment.authorization.witness);
}

function checkTerms(gateway: Gateway, { accepted, authorization }: SentPayment): void {
  const { contracts, parameters } = gateway.network;
  const offered = accepted.extra.task;
  const signed = authorization.witness;
  const pairs: [string, unknown, unknown][] = [
    ["asset", accepted.asset, contracts.opg],
    ["payTo", accepted.payTo, contracts.taskEscrow],
    ["extra.facilitator", accepted.extra.facilitator, facilitatorOf(gateway).address],
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

function checkRequest({ accepted, authorization }: SentPayment, paidFor: PaidFor): void {
  const { model, request, maxAmount } = authorization.witness;
  const sameSalt = paidFor.salt === undefined || paidFor.salt === accepted.extra.salt;
  if (!sameSalt || model !== paidFor.versionId || request !== paidFor.request) {
    const message =
      "The payment is for another request; send the very model, inputs and salt that it was offered for, or ask for a new offer.";
    throw new OpgError("task_request_mismatch", message);
  }
  if (maxAmount < paidFor.price) throw underpaid({ have: maxAmount, need: paidFor.price });
}

function underpaid(values: ErrorValues & { have: bigint; need: bigint }): OpgError {
  const message = `The payment allows ${values.have} atomic units and this request can cost ${values.need}; ask for a new offer and sign that.`;
  return new OpgError("task_underpaid", message, values);
}

function checkDeadline({ clock, settings }: Gateway, { deadline }: Task): void {
  const now = clock();
  const latest = now + settings.taskSeconds + CLOCK_SKEW_SECONDS;
  if (deadline <= now) {
    throw new OpgError("permit2_deadline_expired", `The offer ended at ${deadline}; ask for a new one and sign that.`, {
      have: deadline,
      need: now,
    });
  }
  if (deadline > latest) {
    throw new OpgError(
      "task_deadline_too_far",
      `The task's deadline ${deadline} is later than ${latest}; sign the offer as it is.`,
      {
        have: deadline,
        need: latest,
      },
    );
  }
}
