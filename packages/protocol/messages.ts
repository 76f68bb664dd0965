import { z } from "zod";
import { address, bytes, bytes32 } from "./hex.ts";
import { resultJson, signedResultJson } from "./result.ts";
import { transactionPurposes } from "./settlement.ts";
import { MAX_STEPS } from "./steps.ts";
import { signedReleaseJson, taskJson, taskStates } from "./task.ts";
import { namedTensorsJson } from "./tensors.ts";
import { signedCommitmentJson, signedVerdictJson } from "./verdict.ts";

/**
 * Bodies that the roles send each other over HTTP, by route. Who serves what:
 *
 * | role | route | body | answer |
 * |---|---|---|---|
 * | facilitator | `POST /tasks` | x402's `{x402Version, paymentPayload, paymentRequirements, task?}` | {@link releasedTaskJson} |
 * | facilitator | `POST /tasks/{taskId}/certificate` | {@link certificateJson} | {@link acceptedCertificateJson} |
 * | facilitator | `POST /tasks/{taskId}/refusals` | {@link refusalJson} | {@link taskRecordJson} |
 * | facilitator | `GET /tasks/{taskId}` | | {@link taskRecordJson} |
 * | facilitator | `GET /tasks/{taskId}/proof` | | `batchProofJson` |
 * | facilitator | `GET /batches/{batchId}/receipts/{party}` signed by the party | | `partyReceiptsJson` |
 * | facilitator | `GET /settlements/{id}` | | `settlementStatusJson`, or events `status` of it |
 * | node | `POST /tasks` | {@link releasedRequestJson} | {@link answeredTaskJson} |
 * | node | `POST /tasks` accepting `text/event-stream` | {@link releasedRequestJson} | events `step` ({@link streamStepJson}), `answer` ({@link answeredTaskJson}), `error` |
 * | node | `POST /tasks/{taskId}/end` | {@link releasedRequestJson} | {@link answeredTaskJson} |
 * | node | `GET /info` | | {@link nodeInfoJson} |
 * | verifier | `GET /sealing-key` | | `sealingKeyJson` |
 * | verifier | `POST /tasks` | `sealedRequestJson` of a {@link releasedRequestJson} | `signedCommitmentJson` |
 * | verifier | `POST /tasks/{taskId}/result` | `signedResultJson` | `signedVerdictJson` |
 * | verifier | `POST /tasks/{taskId}/certificate` | {@link witnessedCertificateJson} | {@link recordedJson} |
 * | verifier | `POST /admissions/challenges` | {@link challengeRequestJson} | {@link challengeJson} |
 * | verifier | `POST /admissions` | `admissionRequestJson` | {@link admissionSignatureJson} |
 * | verifier | `POST /epochs/{epoch}/counts` | {@link countsJson} | {@link countsSignatureJson} |
 * | verifier | `POST /batches` | `batchRequestJson` | `batchAnswerJson` |
 * | verifier | `POST /batches/{batchId}` | `earlierBatchJson` | {@link recordedJson} |
 * | verifier | `GET /info` | | {@link verifierInfoJson} |
 * | hub | `GET`, `PUT /blobs/{digest}` | bytes | bytes |
 */

const transactionJson = z.strictObject({
  purpose: z.enum(transactionPurposes),
  hash: bytes32,
  /** Whether it is in a block, and how it ended there. */
  status: z.enum(["sent", "included", "reverted"]),
  blockNumber: z.int().nullable(),
  gasUsed: z.string().nullable(),
});

/**
 * Header of a call for a stream, and of the call that ends it: a secret of the caller's. Verifiers know all else of a released
 * request, and must not be able to end it.
 */
export const STREAM_SECRET = "stream-secret";

/** What the gateway hands a node, and its enclave seals to every verifier: the released task and what it is about. */
export const releasedRequestJson = z.strictObject({
  task: taskJson,
  release: signedReleaseJson,
  salt: bytes32,
  inputs: namedTensorsJson,
});
export type ReleasedRequest = z.output<typeof releasedRequestJson>;
export type ReleasedRequestJson = z.input<typeof releasedRequestJson>;

/**
 * The facilitator's answer to a payment: the release, and the transaction that locked the money, if one did. The task is
 * the one that the authorization was first used for, which is another than the one sent when the same payment comes again.
 */
export const releasedTaskJson = z.strictObject({
  taskId: bytes32,
  task: taskJson,
  release: signedReleaseJson,
  transactions: z.array(transactionJson),
});
export type ReleasedTask = z.output<typeof releasedTaskJson>;

/** A certified result on its way to settlement. */
export const certificateJson = z.strictObject({
  ...signedResultJson.shape,
  verdicts: z.array(signedVerdictJson).min(1).max(100),
});
export type CertificateMessage = z.output<typeof certificateJson>;

/** The facilitator holds the certificate durably and has sent the settlement. */
export const acceptedCertificateJson = z.strictObject({
  taskId: bytes32,
  state: z.enum(taskStates),
  transaction: bytes32.nullable(),
});

/** One verifier's refusal, sent to the facilitator by the verifier itself: a dishonest node would not. */
export const refusalJson = z.strictObject({ result: resultJson, verdict: signedVerdictJson });
export type RefusalMessage = z.output<typeof refusalJson>;

/** What the facilitator knows of a task. */
export const taskRecordJson = z.strictObject({
  taskId: bytes32,
  state: z.enum(taskStates),
  task: taskJson,
  facilitator: address,
  release: signedReleaseJson.nullable(),
  result: resultJson.nullable(),
  verdicts: z.array(signedVerdictJson),
  transactions: z.array(transactionJson),
  /** The chain shows nothing of the task before this block. */
  claimedBlock: z.int().min(0),
});
export type TaskRecord = z.output<typeof taskRecordJson>;
export type TaskRecordJson = z.input<typeof taskRecordJson>;

/** The node's answer after the certificate. */
export const answeredTaskJson = z.strictObject({
  outputs: namedTensorsJson,
  ...signedResultJson.shape,
  verdicts: z.array(signedVerdictJson),
  /** Hash of the settling transaction. */
  transaction: bytes32.nullable(),
});
export type AnsweredTask = z.output<typeof answeredTaskJson>;
export type AnsweredTaskJson = z.input<typeof answeredTaskJson>;

/** What a stream hands out: the outputs of the steps since the last time, and the enclave's word on all steps so far. */
export const streamStepJson = z.strictObject({
  /** So far. */
  steps: z.int().min(1).max(MAX_STEPS),
  outputs: namedTensorsJson,
  ...signedResultJson.shape,
});
export type StreamStep = z.output<typeof streamStepJson>;
export type StreamStepJson = z.input<typeof streamStepJson>;

/** What a node says of itself; identity counts only as the registry has it. */
export const nodeInfoJson = z.strictObject({
  node: address,
  operator: address,
  payout: address,
  /** Key configuration of RFC 9458 for sealed requests; counts only where its SHA-256 is the registry's `hpkeKeyHash`. */
  hpkeConfig: bytes,
  /** versionIds whose bytes it has checked and can run. */
  versions: z.array(bytes32),
  /** Runs begun since it started. */
  executions: z.int().min(0),
});
export type NodeInfo = z.output<typeof nodeInfoJson>;

/** Everything a verifier needs to count who committed in time and was right. */
export const witnessedCertificateJson = z.strictObject({
  ...certificateJson.shape,
  commitments: z.array(signedCommitmentJson).max(100),
});
export type WitnessedCertificate = z.output<typeof witnessedCertificateJson>;

export const recordedJson = z.strictObject({ recorded: z.boolean() });

export const challengeRequestJson = z.strictObject({ node: address });
export const challengeJson = z.strictObject({ verifier: address, challenge: bytes32 });
export const admissionSignatureJson = z.strictObject({ verifier: address, epoch: z.int().min(0), signature: bytes });

export const countsJson = z.strictObject({
  verifiers: z.array(address).min(1).max(100),
  counts: z.array(z.int().min(0)).min(1).max(100),
});
export const countsSignatureJson = z.strictObject({ verifier: address, signature: bytes });

/** What a verifier says of itself. */
export const verifierInfoJson = z.strictObject({
  verifier: address,
  epoch: z.int().min(0),
  /** Verdicts signed since it first ran. */
  agreed: z.int().min(0),
  refused: z.int().min(0),
});
export type VerifierInfo = z.output<typeof verifierInfoJson>;
