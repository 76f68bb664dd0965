import { computeAddress, getAddress } from "ethers";
import type { EvidenceRoots } from "./evidence.ts";
import { kindOf } from "./kindOf.ts";
import { refusedEvidence } from "./refusedEvidence.ts";
import { reportDataOf } from "./reportData.ts";
import { type VerifiedEvidence, verifyEvidence } from "./verifyEvidence.ts";

/** What evidence must say to count. */
export interface EvidenceExpectations {
  /** See `challengeNonce`. */
  nonce: string;
  /** See `identityBinding`. */
  binding: string;
  /** Signing address that the admission names. */
  node: string;
  /** Seconds since 1970. */
  now: number;
  roots: EvidenceRoots;
  /** Whether code with this measurement may run nodes now. */
  approvedMeasurement: (measurement: string) => boolean | Promise<boolean>;
}

/**
 * Decodes evidence of any kind and checks all of it: form, signatures up to the network's root, freshness, challenge,
 * binding, key and measurement, in that order. No byte of a document that passes can change.
 *
 * @returns what the platform stated
 * @throws OpgError `evidence_refused` with a `reason`, see `evidenceRefusals`
 */
export async function checkEvidence(document: Uint8Array, expected: EvidenceExpectations): Promise<VerifiedEvidence> {
  const { now, roots } = expected;
  const verification = verifyEvidence(kindOf(document, roots), document, { now, roots, singleForm: true });
  if (!verification.accepted) throw verification.refusal;
  const { evidence } = verification;
  checkClaims(evidence, expected);
  const { measurement } = evidence;
  if (!(await expected.approvedMeasurement(measurement))) {
    throw refusedEvidence("measurement_not_approved", { measurement });
  }
  return evidence;
}

function checkClaims(evidence: VerifiedEvidence, expected: EvidenceExpectations): void {
  const binding = expected.binding.toLowerCase();
  if ("reportData" in evidence) {
    if (!evidence.reportData.startsWith(binding)) throw refusedEvidence("wrong_binding");
    // Key and challenge are behind one digest, so which of them is another cannot be told.
    if (evidence.reportData !== reportDataOf(expected)) throw refusedEvidence("wrong_nonce");
    return;
  }
  if (evidence.nonce !== expected.nonce.toLowerCase()) throw refusedEvidence("wrong_nonce");
  if (evidence.userData !== binding) throw refusedEvidence("wrong_binding");
  if (!isKeyOf(expected.node, evidence.publicKey)) throw refusedEvidence("wrong_key", { node: expected.node });
}

function isKeyOf(address: string, publicKey: string | undefined): boolean {
  try {
    return publicKey !== undefined && computeAddress(publicKey) === getAddress(address);
  } catch {
    return false;
  }
}
