import { type ErrorValues, OpgError } from "#protocol/errors.ts";

/** Why evidence is refused; the value `reason` of `evidence_refused`. */
export const evidenceRefusals = {
  // Its form.
  malformed: "is not a well-formed document",
  bad_header: "has headers other than the platform's",
  second_form: "says what it says in a form other than the one that is admitted",
  unknown_kind: "is of no kind that can be checked here",
  unsupported_version: "is of a version or variant that is not supported",
  // Who signed it.
  kind_not_allowed: "is of a kind that this network's parameters do not allow",
  wrong_root: "is signed by another root than the network's parameters name",
  malformed_certificate: "holds a certificate or revocation list that is not well-formed",
  unsupported_algorithm: "uses a key or signature algorithm other than the platform's",
  unknown_critical_extension: "holds a certificate with a critical extension that is not understood",
  certificate_not_valid_yet: "holds a certificate or revocation list that is not valid yet",
  certificate_expired: "holds a certificate or revocation list that has expired",
  not_an_authority: "is certified by a certificate that may not certify",
  not_a_leaf: "is signed by a certificate that is not for signing documents",
  path_too_long: "is certified over more steps than a certificate on the path allows",
  broken_chain: "holds certificates that do not follow each other",
  bad_certificate_signature: "holds a certificate or revocation list that its issuer did not sign",
  certificate_revoked: "holds a certificate that its issuer has revoked",
  bad_signature: "carries no valid signature",
  // What platform made it.
  bad_collateral: "comes with collateral that does not belong to it or is not signed",
  collateral_expired: "comes with collateral that is not of now; fetch it again",
  wrong_quoting_enclave: "was signed by a quoting enclave that is not the platform's own",
  wrong_platform: "was signed for another machine or another state of it",
  tcb_not_accepted: "was made by firmware or microcode that is not up to date",
  debug_mode: "comes from an enclave that can be debugged",
  wrong_privilege: "was asked for from outside of the most privileged level",
  // What it says.
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
