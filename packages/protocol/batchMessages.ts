import { z } from "zod";
import { batchJson, batchReceiptJson } from "./batch.ts";
import { address, bytes, bytes32 } from "./hex.ts";
import { certificateJson } from "./messages.ts";
import { signedReleaseJson, taskJson } from "./task.ts";

/** The most receipts that one batch may have. */
export const MAX_BATCH_RECEIPTS = 10_000;

/** Why a verifier leaves a receipt out of a batch. `docs/errors.md` explains each. */
export const receiptRefusals = [
  /** It has no verdict of its own on this result; with a quorum's certificate it takes the receipt. */
  "certificate_required",
  /** The certificate that came with it is none. */
  "certificate_invalid",
  /** It refused this result itself. */
  "result_refused",
  /** The task was released by another facilitator than the batch's. */
  "other_facilitator",
  /** The task was released against another payment than a prefunded account. */
  "not_prefunded",
  /** No authorizer of the payer's account at this facilitator signed the task. */
  "not_authorized",
  /** A settled batch has it already. */
  "already_settled",
] as const;

export type ReceiptRefusalReason = (typeof receiptRefusals)[number];

/** All that convinces a verifier which did not see a task: what a quorum certified, and how it was released. */
export const batchCertificateJson = z.strictObject({
  task: taskJson,
  release: signedReleaseJson,
  ...certificateJson.shape,
});

export type BatchCertificate = z.output<typeof batchCertificateJson>;
export type BatchCertificateJson = z.input<typeof batchCertificateJson>;

/** A receipt as a verifier is shown it: what it says beyond that, the verifier has in its own books. */
export const shownReceiptJson = z.strictObject({
  taskId: bytes32,
  resultHash: bytes32,
  /** Of its leaf. */
  salt: bytes32,
  /** The authorizer's, over the task. */
  signature: bytes,
  certificate: batchCertificateJson.optional(),
});

export type ShownReceipt = z.output<typeof shownReceiptJson>;
export type ShownReceiptJson = z.input<typeof shownReceiptJson>;

/** Body of a verifier's `POST /batches`. */
export const batchRequestJson = z.strictObject({
  batch: batchJson,
  /** The facilitator's, over the batch: nobody else can have verifiers look at thousands of receipts. */
  signature: bytes,
  /** In the order of the leaves. */
  receipts: z.array(shownReceiptJson).min(1).max(MAX_BATCH_RECEIPTS),
});

export type BatchRequest = z.output<typeof batchRequestJson>;
export type BatchRequestJson = z.input<typeof batchRequestJson>;

/** Body of a verifier's `POST /batches/{batchId}`: a settled batch that it was not asked about, with all that is in it. */
export const earlierBatchJson = z.strictObject({
  batch: batchJson,
  /** The facilitator's, over the batch. */
  signature: bytes,
  receipts: z.array(batchReceiptJson).min(1).max(MAX_BATCH_RECEIPTS),
});

export type EarlierBatch = z.output<typeof earlierBatchJson>;

/** A receipt that a verifier leaves out. */
export const refusedReceiptJson = z.strictObject({ taskId: bytes32, reason: z.enum(receiptRefusals) });

export type RefusedReceipt = z.output<typeof refusedReceiptJson>;

/** Answer to `POST /batches`: the verifier's signature over the batch, or which receipts keep it from signing. */
export const batchAnswerJson = z.union([
  z.strictObject({ verifier: address, signature: bytes }),
  z.strictObject({ verifier: address, refused: z.array(refusedReceiptJson).min(1).max(MAX_BATCH_RECEIPTS) }),
]);

export type BatchAnswer = z.output<typeof batchAnswerJson>;
