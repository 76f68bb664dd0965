import type { EvidenceKind } from "#attestation/evidence.ts";
import type { EvidenceRefusal } from "#attestation/refusedEvidence.ts";
import { type VerifiedEvidence, verifyEvidence, type VerifyOptions } from "#attestation/verifyEvidence.ts";

/** Fails unless the document is refused for exactly this reason. */
export function expectRefusal(
  kind: EvidenceKind,
  document: Uint8Array,
  options: VerifyOptions,
  reason: EvidenceRefusal,
  values: Readonly<Record<string, unknown>> = {},
): void {
  const verification = verifyEvidence(kind, document, options);
  const found = verification.accepted ? "accepted" : verification.refusal.values;
  const wanted = { ...values, reason };
  const isSame = typeof found !== "string" && Object.entries(wanted).every(([key, value]) => found[key] === value);
  if (!isSame) throw new Error(`expected ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`);
}

/** What a document states; fails if it is refused. */
export function accepted(kind: EvidenceKind, document: Uint8Array, options: VerifyOptions): VerifiedEvidence {
  const verification = verifyEvidence(kind, document, options);
  if (!verification.accepted) throw verification.refusal;
  return verification.evidence;
}
