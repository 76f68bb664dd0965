import { randomBytes } from "node:crypto";
import type { z } from "zod";
import { checkSignedOutputs } from "#protocol/checkReceipt.ts";
import { OpgError } from "#protocol/errors.ts";
import { type AnsweredTask, answeredTaskJson, STREAM_SECRET, streamStepJson } from "#protocol/messages.ts";
import { resultToJson } from "#protocol/result.ts";
import { joinSteps } from "#protocol/steps.ts";
import { type NamedTensors, tensorsFromJson } from "#protocol/tensors.ts";
import type { Clock } from "#service/clock.ts";
import { callEvents, type ReceivedEvent } from "#service/callEvents.ts";
import { httpCall } from "#service/httpCall.ts";
import type { NodeQuestion } from "./askNode.ts";
import type { GatewaySettings } from "./gateway.ts";
import type { StepReader } from "./stepReader.ts";

/** How long a stream may take, and its verdicts after it. */
interface StreamLimits extends Pick<GatewaySettings, "executionSeconds" | "verdictSeconds"> {
  clock: Clock;
}

/**
 * Has a node compute a task step by step and passes each step on that its enclave signed for. When the reader leaves, or
 * the time is over, the stream is ended and its last step that the node handed out is the answer; also when it never began,
 * so that nothing stays locked.
 *
 * @throws OpgError the node's, `node_unavailable`, or `invalid_receipt`
 */
export async function streamFromNode(
  question: NodeQuestion,
  reader: StepReader,
  { executionSeconds, verdictSeconds, clock }: StreamLimits,
): Promise<AnsweredTask> {
  const { url, taskId, paid } = question;
  const call = { ...question.call, headers: { [STREAM_SECRET]: randomBytes(32).toString("hex") } };
  const ending = AbortSignal.any([reader.signal, AbortSignal.timeout(executionSeconds * 1000)]);
  if (!reader.signal.aborted) {
    try {
      const events = callEvents({ ...call, url: url("tasks"), signal: ending });
      const answered = await passSteps(events, question, reader);
      if (answered) return answered;
    } catch (error) {
      const isBroken = error instanceof OpgError && error.code === "node_unavailable";
      if (!ending.aborted && !isBroken) throw error;
    }
  }
  // Verifiers repeat the whole, however little of it was handed out, and have until the deadline for that.
  const timeoutSeconds = Math.max(0, paid.task.deadline - clock()) + verdictSeconds * 2;
  const end = { ...call, url: url(`tasks/${taskId}/end`), timeoutSeconds };
  return httpCall({ ...end, answer: answeredTaskJson });
}

/** @returns nothing where the stream broke off before its answer */
async function passSteps(
  events: AsyncIterable<ReceivedEvent>,
  { paid }: NodeQuestion,
  reader: StepReader,
): Promise<AnsweredTask | undefined> {
  const parts: NamedTensors[] = [];
  for await (const { event, data } of events) {
    if (event === "error") throw OpgError.fromBody(data) ?? unreadable();
    if (event === "answer") return read(answeredTaskJson, data);
    if (event !== "step") continue;
    const step = read(streamStepJson, data);
    parts.push(tensorsFromJson(step.outputs));
    checkSignedOutputs(step, joinSteps(paid.listing.outputs, parts), paid);
    await reader.take({ ...step, result: resultToJson(step.result) });
  }
  return undefined;
}

function read<Schema extends z.ZodType>(schema: Schema, data: unknown): z.output<Schema> {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw unreadable();
}

function unreadable(): OpgError {
  return new OpgError("node_unavailable", "The node sends a stream that cannot be read; try again later.");
}
