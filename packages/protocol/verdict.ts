import { concat, sha256, toUtf8Bytes } from "ethers";
import { z } from "zod";
import { address, bytes, bytes32, timestamp } from "./hex.ts";
import { prefixJson, rootFrom } from "./prefixes.ts";
import { type Domain, settlementDomain, typesOf } from "./typedData.ts";

/** Why a verifier refuses a result. `docs/errors.md` explains each. */
export const refusalReasons = [
  "response_mismatch",
  "charge_mismatch",
  "payout_mismatch",
  "completed_late",
  "completed_at_implausible",
] as const;

export type RefusalReason = (typeof refusalReasons)[number];

/** One verifier's word on a result it has checked. */
export interface Verdict {
  resultHash: string;
  /** Epoch of the verifier set that the signer belongs to. */
  epoch: bigint;
  /** How it was checked: one of `policies`. */
  mode: number;
  agrees: boolean;
}

/** Wire shape of a signed verdict. A refusal carries its reason under a signature of its own. */
export const signedVerdictJson = z.strictObject({
  verifier: address,
  resultHash: bytes32,
  epoch: z.int().min(0),
  mode: z.int().min(0).max(255),
  agrees: z.boolean(),
  signature: bytes,
  reason: z.enum(refusalReasons).optional(),
  reasonSignature: bytes.optional(),
  /** What the verifier committed to before it saw the result, opened now. */
  opening: z.strictObject({
    response: bytes32,
    salt: bytes32,
    /** Where the response stands among those of a stream, all of which were committed to. */
    prefix: prefixJson.optional(),
  }),
});

export type SignedVerdict = z.output<typeof signedVerdictJson>;

export type Opening = SignedVerdict["opening"];

/** Wire shape of what a verifier signs before it is shown the node's result. */
export const signedCommitmentJson = z.strictObject({
  verifier: address,
  taskId: bytes32,
  commitment: bytes32,
  committedAt: timestamp,
  signature: bytes,
});

export type SignedCommitment = z.output<typeof signedCommitmentJson>;

/**
 * `sha256("OPG/commitment/1" || response || verifier || salt)`: binds a verifier to its own answer without showing it.
 *
 * @param response - of a stream the root over its responses, see `prefixesRoot`
 */
export function commitmentOf(response: string, verifier: string, salt: string): string {
  return sha256(concat([toUtf8Bytes("OPG/commitment/1"), response, verifier, salt]));
}

/** Whether an opening opens a verifier's commitment. */
export function opensCommitment({ response, salt, prefix }: Opening, verifier: string, commitment: string): boolean {
  const committed = prefix ? rootFrom(response, prefix) : response;
  return committed !== undefined && commitmentOf(committed, verifier, salt) === commitment;
}

/** What a verifier signs for a verdict. */
export function verdictTypedData({ resultHash, epoch, mode, agrees }: Verdict, settlement: Domain) {
  return {
    domain: settlementDomain(settlement),
    types: typesOf("Verdict"),
    value: { resultHash, epoch, mode, agrees },
  };
}

/** What a verifier signs for the reason of a refusal. */
export function refusalTypedData(resultHash: string, reason: RefusalReason, settlement: Domain) {
  return { domain: settlementDomain(settlement), types: typesOf("Refusal"), value: { resultHash, reason } };
}

/** What a verifier signs when it commits. */
export function commitmentTypedData(
  commitment: Pick<SignedCommitment, "taskId" | "commitment" | "committedAt">,
  settlement: Domain,
) {
  const { taskId, commitment: hash, committedAt } = commitment;
  return {
    domain: settlementDomain(settlement),
    types: typesOf("Commitment"),
    value: { taskId, commitment: hash, committedAt },
  };
}

/** What verifiers sign when an epoch's pool is divided: how often each committed in time and was right. */
export function countsTypedData(
  counts: { epoch: bigint; verifiers: readonly string[]; counts: readonly bigint[] },
  settlement: Domain,
) {
  return { domain: settlementDomain(settlement), types: typesOf("Counts"), value: counts };
}

/**
 * Joins signatures as the contracts take them: 65 bytes each, ascending by signer, so that a doubled signer is seen.
 *
 * @param signatures - one per signer
 */
export function joinSignatures(signatures: readonly { signer: string; signature: string }[]): string {
  const ascending = [...signatures].sort((a, b) => (BigInt(a.signer) < BigInt(b.signer) ? -1 : 1));
  return concat(ascending.map(({ signature }) => signature));
}
