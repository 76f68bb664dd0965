import { OpgError } from "#protocol/errors.ts";
import { type DcapEvidence, checkDcapDocument } from "./dcap/checkDcapDocument.ts";
import type { EvidenceKind, EvidenceRoots } from "./evidence.ts";
import { checkNitroDocument, type NitroEvidence } from "./nitro/checkNitroDocument.ts";
import { refusedEvidence } from "./refusedEvidence.ts";
import { checkSnpDocument, type SnpEvidence } from "./snp/checkSnpDocument.ts";

/** What a platform stated, by kind; every signature up to a root of the network's holds. */
export type VerifiedEvidence = NitroEvidence | DcapEvidence | SnpEvidence;

/** The outcome: what was stated, or why it does not count. */
export type Verification = { accepted: true; evidence: VerifiedEvidence } | { accepted: false; refusal: OpgError };

/** What a document is held against. There is no clock and no root in this library. */
export interface VerifyOptions {
  /** Seconds since 1970. */
  now: number;
  roots: EvidenceRoots;
  /**
   * Refuses documents in a form other than the single one that says what they say, so that no byte of them can change:
   * every ECDSA signature has a second form that anybody can make of the first, and a COSE document may be tagged. Platforms
   * write any of them; `inSingleForm` converts Nitro's.
   */
  singleForm?: boolean;
}

/**
 * Checks a document of a kind: its form, every signature up to the root that `roots` name for the kind, every certificate,
 * and that it is of now. Whether the measurement, the keys and the challenge are the right ones is the caller's to say, see
 * `checkEvidence`.
 *
 * @returns what was stated, or the refusal: an `evidence_refused` with a `reason`, see `evidenceRefusals`. It does not
 *   throw, whatever the document.
 */
export function verifyEvidence(kind: EvidenceKind, document: Uint8Array, options: VerifyOptions): Verification {
  try {
    return { accepted: true, evidence: checkDocument(kind, document, options) };
  } catch (error) {
    if (error instanceof OpgError && error.code === "evidence_refused") return { accepted: false, refusal: error };
    throw error;
  }
}

function checkDocument(kind: EvidenceKind, document: Uint8Array, options: VerifyOptions): VerifiedEvidence {
  const { now, singleForm = false } = options;
  const shared = { now, singleForm };
  switch (kind) {
    case "simulated":
    case "nitro":
      return checkNitroDocument(document, { kind, roots: named(kind, options), ...shared });
    case "tdx":
    case "sgx":
      return checkDcapDocument(document, { kind, roots: named(kind, options), ...shared });
    case "sev-snp":
      return checkSnpDocument(document, { ...named(kind, options), ...shared });
  }
}

function named<Kind extends EvidenceKind>(kind: Kind, { roots }: VerifyOptions): NonNullable<EvidenceRoots[Kind]> {
  const found = roots[kind];
  if (found === undefined) throw refusedEvidence("kind_not_allowed", { kind });
  return found;
}
