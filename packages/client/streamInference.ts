import { EventSourceParserStream } from "eventsource-parser/stream";
import type { z } from "zod";
import { checkSignedOutputs, type PaidRequest } from "../protocol/checkReceipt.ts";
import { OpgError } from "../protocol/errors.ts";
import { inferAnswerJson } from "../protocol/inferAnswer.ts";
import { type StreamStep, streamStepJson } from "../protocol/messages.ts";
import { domainIn } from "../protocol/network.ts";
import type { TensorSpec } from "../protocol/model.ts";
import { joinSteps } from "../protocol/steps.ts";
import { taskIdOf } from "../protocol/task.ts";
import { type NamedTensors, tensorsFromJson } from "../protocol/tensors.ts";
import { openPurchase, paidRequestOf, paymentOf, receive, type WantedInference } from "./buyInference.ts";
import type { GatewayAnswer } from "./callGateway.ts";
import type { InferenceEvent } from "./createClient.ts";
import { type Means, payAndSend } from "./payForRequest.ts";
import type { Payer } from "./payer.ts";
import type { SignedTask } from "./purse.ts";

/** No event is larger. */
const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;

/** Who reads a stream. */
export interface StreamCaller {
  /** Hangs up. */
  signal: AbortSignal | undefined;
  /** Streams that were broken off, by task: what they cost is not known yet. */
  brokenOff: Map<string, Means>;
}

/**
 * Pays for one inference and gives its steps as they come, each checked before it is given; at the end the whole checked
 * answer. Who stops reading hangs up: the steps that were on their way by then are charged, and no more.
 */
export async function* streamInference(
  payer: Payer,
  wanted: WantedInference,
  { signal, brokenOff }: StreamCaller,
): AsyncGenerator<InferenceEvent, void> {
  const purchase = await openPurchase(payer, wanted);
  const { asked } = purchase;
  const leaving = new AbortController();
  const hangUp = signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal;
  let taskId: string | undefined;
  let isOver = false;
  const onSigned = async (signed: SignedTask): Promise<void> => {
    taskId = taskIdOf(signed.task, domainIn(payer.network, "taskEscrow"));
    await payer.state.replace(paymentOf(payer, purchase, signed));
  };
  try {
    const { answer, signed } = await payAndSend(payer, { ...asked, hangUp, onSigned }, purchase);
    const paid = paidRequestOf(payer, purchase, signed);
    const parts: NamedTensors[] = [];
    for await (const { event, data } of eventsOf(answer)) {
      if (event === "step") yield readStep(read(streamStepJson, data, wanted.url), parts, paid);
      if (event === "error") throw OpgError.fromBody(data) ?? broken(wanted.url, taskId);
      if (event !== "answer") continue;
      isOver = true;
      const answered = read(inferAnswerJson, data, wanted.url);
      checkContinuation(parts, tensorsFromJson(answered.outputs), paid);
      const inference = await receive(payer, purchase, signed, answered);
      yield { type: "answer", ...inference };
      return;
    }
    throw broken(wanted.url, taskId);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof OpgError ? error : broken(wanted.url, taskId, error);
  } finally {
    leaving.abort();
    if (!isOver && taskId !== undefined) brokenOff.set(taskId, purchase);
  }
}

/** Checks that the enclave signed for all steps so far, and what the meter gives for them. */
function readStep(step: StreamStep, parts: NamedTensors[], paid: PaidRequest): InferenceEvent {
  const outputs = tensorsFromJson(step.outputs);
  parts.push(outputs);
  checkSignedOutputs(step, joinSteps(paid.listing.outputs, parts), paid);
  return { type: "step", taskId: step.result.taskId, steps: step.steps, outputs };
}

/** The answer must go on from the steps that were given: both are signed for, and only one of them is right. */
function checkContinuation(parts: readonly NamedTensors[], outputs: NamedTensors, paid: PaidRequest): void {
  if (parts.length === 0) return;
  const given = joinSteps(paid.listing.outputs, parts);
  const isPrefix = ({ name }: TensorSpec): boolean => {
    const [part, whole] = [given[name]?.data, outputs[name]?.data];
    return part !== undefined && whole !== undefined && part.every((byte, at) => byte === whole[at]);
  };
  if (paid.listing.outputs.every(isPrefix)) return;
  const message = "The answer is another than the steps before it: do not use either, and look at the task's trail.";
  const taskId = taskIdOf(paid.task, domainIn(paid.network, "taskEscrow"));
  throw new OpgError("invalid_receipt", message, { part: "outputs", taskId });
}

/** Not every browser can iterate over a stream. */
async function* eventsOf({ events, content }: GatewayAnswer): AsyncGenerator<{ event: string; data: unknown }> {
  // A gateway that sends no streams gives the answer alone.
  if (!events) {
    yield { event: "answer", data: content };
    return;
  }
  const reader = events
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({ maxBufferSize: MAX_EVENT_CHARACTERS }))
    .getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const { event = "message", data } = next.value;
      yield { event, data: JSON.parse(data) as unknown };
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function read<Schema extends z.ZodType>(schema: Schema, data: unknown, url: string): z.output<Schema> {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw broken(url, undefined, parsed.error);
}

function broken(url: string, taskId?: string, cause?: unknown): OpgError {
  const { origin } = new URL(url);
  const message = `${origin} broke the stream off; look at the task's trail for what was charged.`;
  return new OpgError(
    "gateway_unavailable",
    message,
    { url: origin, ...(taskId === undefined ? {} : { taskId }) },
    { cause },
  );
}
