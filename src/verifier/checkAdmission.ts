import { sha256 } from "ethers";
import { type AdmissionRequest, admissionTypedData } from "#protocol/admission.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Domain } from "#protocol/typedData.ts";
import { isSignedBy } from "#protocol/signedDocument.ts";

/** How old the block may be that the evidence answers, and how far its time may lie ahead. */
export const MAX_BLOCK_AGE_SECONDS = 600;
export const MAX_BLOCK_AHEAD_SECONDS = 60;

/** What the chain says about an admission at the moment it is asked for. */
export interface AdmissionFacts {
  /** Time of the block named, seconds since 1970, if there is such a block. */
  blockTimestamp: number | undefined;
  /** Sequence of the node's last admission; 0 for a node never admitted. */
  lastSequence: number;
  /** Whether the node was retired or revoked. */
  isFinal: boolean;
  currentEpoch: bigint;
  maxLeaseSeconds: number;
}

/**
 * Everything about an admission but the evidence's own statement.
 *
 * @param document - the evidence's bytes
 * @param now - seconds since 1970
 * @returns the first error, or nothing
 */
export function checkAdmission(
  { admission, enclaveSignature }: Pick<AdmissionRequest, "admission" | "enclaveSignature">,
  document: Uint8Array,
  facts: AdmissionFacts,
  nodeRegistry: Domain,
  now: number,
): OpgError | undefined {
  const { node, evidenceHash, leaseUntil, sequence, epoch } = admission;
  const refuse = (field: string, message: string) => new OpgError("evidence_refused", message, { node, field });
  const { blockTimestamp, lastSequence, currentEpoch, maxLeaseSeconds } = facts;
  const isRecent =
    blockTimestamp !== undefined &&
    blockTimestamp >= now - MAX_BLOCK_AGE_SECONDS &&
    blockTimestamp <= now + MAX_BLOCK_AHEAD_SECONDS;
  if (!isRecent) return refuse("blockNumber", "The evidence answers no block of the last minutes; make it anew.");
  if (sha256(document) !== evidenceHash)
    return refuse("evidenceHash", "The admission names another evidence document.");
  if (facts.isFinal) return refuse("node", "The node was retired or revoked for good; start one with a new identity.");
  if (sequence !== lastSequence + 1)
    return refuse("sequence", `The node's next admission is number ${lastSequence + 1}.`);
  if (epoch !== currentEpoch) return refuse("epoch", `Admissions are signed in epoch ${currentEpoch} now.`);
  if (leaseUntil <= now || leaseUntil > Math.max(now, blockTimestamp) + maxLeaseSeconds) {
    return refuse("leaseUntil", `A lease ends in the future and at most ${maxLeaseSeconds} seconds from now.`);
  }
  if (isSignedBy(node, admissionTypedData(admission, nodeRegistry), enclaveSignature)) return undefined;
  return new OpgError("invalid_signature", "The admission is not signed by the enclave's key.", { node });
}
