import { Signature } from "ethers";
import { type Batch, batchToJson } from "#protocol/batch.ts";
import {
  batchAnswerJson,
  type BatchAnswer,
  type BatchCertificate,
  type BatchCertificateJson,
  type BatchRequestJson,
  type RefusedReceipt,
  type ShownReceipt,
} from "#protocol/batchMessages.ts";
import { resultToJson } from "#protocol/result.ts";
import { taskToJson } from "#protocol/task.ts";
import { httpCall } from "#service/httpCall.ts";
import { recoverSigner } from "#service/recoverSigner.ts";

/** Ten thousand receipts that have to be checked by their certificates take most of it. */
const ANSWER_TIMEOUT_SECONDS = 60;

/** A member of the set, and where to find it. */
export interface Asked {
  verifier: string;
  url: string;
}

/** What all members are asked. */
export interface Question {
  batchId: string;
  batch: Batch;
  /** The facilitator's. */
  signature: string;
  receipts: readonly ShownReceipt[];
  certificatesOf: (taskIds: readonly string[]) => Promise<Map<string, BatchCertificate>>;
  /** Ends the wait for whoever has not answered. */
  signal: AbortSignal;
}

/** What a member says: 65 bytes over the batch, or what keeps it from that. */
export type Answer = { signature: string } | { refused: readonly RefusedReceipt[] };

/**
 * Asks a verifier to sign a batch. Of tasks that it did not judge it is shown the certificates, and asked once more.
 *
 * @throws OpgError the verifier's, or `verifier_unavailable`
 */
export async function askVerifier(asked: Asked, question: Question): Promise<Answer | undefined> {
  const answer = await send(asked, question, question.receipts);
  const unknown = refusedIn(answer).filter(({ reason }) => reason === "certificate_required");
  if (unknown.length === 0) return read(asked, question, answer);
  const certificates = await question.certificatesOf(unknown.map(({ taskId }) => taskId));
  const shown = question.receipts.map((receipt) => {
    const certificate = certificates.get(receipt.taskId);
    return certificate ? { ...receipt, certificate } : receipt;
  });
  return read(asked, question, await send(asked, question, shown));
}

function send({ url }: Asked, question: Question, receipts: readonly ShownReceipt[]): Promise<BatchAnswer> {
  const { batch, signature, signal } = question;
  const shown = receipts.map(({ certificate, ...receipt }) => {
    return certificate ? { ...receipt, certificate: certificateToJson(certificate) } : receipt;
  });
  const body: BatchRequestJson = { batch: batchToJson(batch), signature, receipts: shown };
  return httpCall({
    method: "POST",
    url: `${url}/batches`,
    body,
    answer: batchAnswerJson,
    timeoutSeconds: ANSWER_TIMEOUT_SECONDS,
    signal,
    unavailable: "verifier_unavailable",
  });
}

function refusedIn(answer: BatchAnswer): readonly RefusedReceipt[] {
  return "refused" in answer ? answer.refused : [];
}

/** Nothing where the answer is not the member's word on this batch. */
function read({ verifier }: Asked, { batchId, receipts }: Question, answer: BatchAnswer): Answer | undefined {
  if ("refused" in answer) {
    const known = new Set(receipts.map(({ taskId }) => taskId));
    const refused = answer.refused.filter(({ taskId }) => known.has(taskId));
    return refused.length > 0 ? { refused } : undefined;
  }
  if (recoverSigner(batchId, answer.signature) !== verifier) return undefined;
  return { signature: Signature.from(answer.signature).serialized };
}

function certificateToJson({ task, result, ...certificate }: BatchCertificate): BatchCertificateJson {
  return { ...certificate, task: taskToJson(task), result: resultToJson(result) };
}
