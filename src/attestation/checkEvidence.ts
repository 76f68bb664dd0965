import { computeAddress, getAddress } from "ethers";
import { decodeDocument } from "./decodeDocument.ts";
import { checkDevelopmentDocument } from "./development.ts";
import type { CheckedStatement } from "./evidence.ts";
import { refusedEvidence } from "./refusedEvidence.ts";

/** How old evidence may be, and how far a platform's clock may run ahead. */
export const MAX_AGE_SECONDS = 300;
export const MAX_AHEAD_SECONDS = 60;

/** The roots that a network's parameters name, by kind; evidence of a kind without a root is refused. */
export interface EvidenceRoots {
  /** Address of the development root. */
  development?: string | undefined;
}

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
 * Decodes evidence of any kind and checks all of it: form, signature up to the network's root, freshness, challenge,
 * binding, key and measurement, in that order.
 *
 * @returns what the platform stated
 * @throws OpgError `evidence_refused` with a `reason`, see `evidenceRefusals`
 */
export async function checkEvidence(document: Uint8Array, expected: EvidenceExpectations): Promise<CheckedStatement> {
  const statement = checkRoot(document, expected.roots);
  checkFreshness(statement.timestamp, expected.now);
  if (statement.nonce !== expected.nonce.toLowerCase()) throw refusedEvidence("wrong_nonce");
  if (statement.userData !== expected.binding.toLowerCase()) throw refusedEvidence("wrong_binding");
  if (!isKeyOf(expected.node, statement.publicKey)) throw refusedEvidence("wrong_key", { node: expected.node });
  const { measurement } = statement;
  if (!(await expected.approvedMeasurement(measurement))) {
    throw refusedEvidence("measurement_not_approved", { measurement });
  }
  return statement;
}

function checkRoot(document: Uint8Array, roots: EvidenceRoots): CheckedStatement {
  const { kind, content } = decodeDocument(document);
  if (roots[kind] === undefined) throw refusedEvidence("kind_not_allowed", { kind });
  return { kind, ...checkDevelopmentDocument(content, roots[kind]) };
}

function checkFreshness(timestamp: number, now: number): void {
  if (timestamp < now - MAX_AGE_SECONDS) throw refusedEvidence("stale", { timestamp, now });
  if (timestamp > now + MAX_AHEAD_SECONDS) throw refusedEvidence("from_the_future", { timestamp, now });
}

function isKeyOf(address: string, publicKey: string): boolean {
  try {
    return computeAddress(publicKey) === getAddress(address);
  } catch {
    return false;
  }
}
