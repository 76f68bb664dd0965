import { type ErrorValues, OpgError } from "#protocol/errors.ts";

/** Why evidence is refused; the value `reason` of `evidence_refused`. */
export const evidenceRefusals = {
  malformed: "is not a well-formed document",
  unknown_kind: "is of no kind that can be checked here",
  kind_not_allowed: "is of a kind that this network's parameters do not allow",
  wrong_root: "is signed by another root than the network's parameters name",
  bad_signature: "carries no valid signature",
  stale: "is too old; make a new one",
  from_the_future: "is dated in the future; set the clock right",
  wrong_nonce: "answers another challenge",
  wrong_binding: "binds other keys, another operator, payout, chain or registry",
  wrong_key: "was made for another signing key",
  measurement_not_approved: "measures code that is not approved",
} as const;

export type EvidenceRefusal = keyof typeof evidenceRefusals;

/** The error for evidence that does not count. */
export function refusedEvidence(reason: EvidenceRefusal, values: ErrorValues = {}, options?: ErrorOptions): OpgError {
  const message = `The evidence ${evidenceRefusals[reason]}.`;
  return new OpgError("evidence_refused", message, { ...values, reason }, options);
}
