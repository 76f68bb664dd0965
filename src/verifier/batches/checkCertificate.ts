import { TypedDataEncoder } from "ethers";
import type { BatchCertificate, ShownReceipt } from "#protocol/batchMessages.ts";
import { resultHashOf } from "#protocol/result.ts";
import type { SignedDocument } from "#protocol/signedDocument.ts";
import { policies, releaseTypedData, taskIdOf } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";
import { verdictTypedData } from "#protocol/verdict.ts";
import { recoverSigner } from "#service/recoverSigner.ts";
import type { KnownTask } from "./checkReceipts.ts";

/** Who may certify in an epoch. */
export interface Quorum {
  epoch: bigint;
  members: readonly string[];
  threshold: number;
}

/** What a certificate is checked by. */
export interface CertificateTerms {
  taskEscrow: Domain;
  settlement: Domain;
  /** Those whose certificates count now. */
  quorums: readonly Quorum[];
}

/**
 * What a certificate shows of a task that this verifier did not judge itself: that its facilitator released it, its node signed
 * the result, and a quorum agrees. Nothing where any of it does not hold.
 */
export function checkCertificate(
  { taskId, resultHash, certificate }: ShownReceipt,
  { taskEscrow, settlement, quorums }: CertificateTerms,
): KnownTask | undefined {
  if (!certificate) return undefined;
  const { task, release, result, nodeSignature } = certificate;
  const isAboutTask = taskIdOf(task, taskEscrow) === taskId && release.taskId === taskId && result.taskId === taskId;
  if (!isAboutTask || resultHashOf(result, settlement) !== resultHash || result.amount > task.maxAmount)
    return undefined;
  if (recoverSigner(resultHash, nodeSignature) !== task.node) return undefined;
  const { facilitator, paymentDigest, signature } = release;
  if (recoverSigner(digestOf(releaseTypedData(release, taskEscrow)), signature) !== facilitator) return undefined;
  if (!quorums.some((quorum) => isCertified(certificate, resultHash, quorum, settlement))) return undefined;
  const { payout, amount } = result;
  return { payer: task.payer, facilitator, paymentDigest, resultHash, payout, amount };
}

function isCertified(
  { verdicts }: BatchCertificate,
  resultHash: string,
  { epoch, members, threshold }: Quorum,
  settlement: Domain,
): boolean {
  const digest = digestOf(
    verdictTypedData({ resultHash, epoch, mode: policies.reExecution, agrees: true }, settlement),
  );
  const agreeing = members.filter((member) =>
    verdicts.some(({ verifier, signature }) => verifier === member && recoverSigner(digest, signature) === member),
  );
  return agreeing.length >= threshold;
}

function digestOf({ domain, types, value }: SignedDocument): string {
  return TypedDataEncoder.hash(domain, types, value);
}
