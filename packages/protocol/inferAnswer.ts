import { z } from "zod";
import { bytes32 } from "./hex.ts";
import { signedResultJson } from "./result.ts";
import { signedReleaseJson, taskJson } from "./task.ts";
import { namedTensorsJson } from "./tensors.ts";
import { signedVerdictJson } from "./verdict.ts";

/** Everything a payer needs to check alone what was paid for: who released it, who ran it, who repeated it. */
export const receiptJson = z.strictObject({
  task: taskJson,
  release: signedReleaseJson,
  ...signedResultJson.shape,
  verdicts: z.array(signedVerdictJson),
  /** Hash of the settling transaction; `null` until the facilitator has sent it. */
  transaction: bytes32.nullable(),
});

export type Receipt = z.output<typeof receiptJson>;
export type ReceiptJson = z.input<typeof receiptJson>;

/** Answer of `POST /v1/infer` to a request that is paid for. */
export const inferAnswerJson = z.strictObject({
  taskId: bytes32,
  outputs: namedTensorsJson,
  receipt: receiptJson,
});

export type InferAnswer = z.output<typeof inferAnswerJson>;
export type InferAnswerJson = z.input<typeof inferAnswerJson>;
