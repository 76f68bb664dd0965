import type { Hono } from "hono";
import { OpgError } from "#protocol/errors.ts";
import { type NodeInfo, releasedRequestJson, STREAM_SECRET, type StreamStepJson } from "#protocol/messages.ts";
import { resultToJson } from "#protocol/result.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import { createApp, errorBodyOf, readBody } from "#service/httpApp.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import { acceptsEvents, type EventWriter, sendEvents } from "#service/sendEvents.ts";
import type { SignedPrefix } from "./enclave/enclave.ts";
import type { TaskDuty } from "./taskDuty.ts";

/** Inputs travel as base64 in JSON. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** A gateway that takes no step for so long is gone; it gives up on its own readers earlier. */
const LONGEST_WAIT_SECONDS = 20;

/** What the routes work with. */
export interface NodeAppDependencies {
  tasks: Pick<TaskDuty, "answer" | "stream" | "end">;
  info: () => NodeInfo;
  operations: Operations;
  logger: Logger;
}

/** Routes of a node: `POST /tasks`, as one answer or as events, `POST /tasks/{taskId}/end`, `GET /info`. */
export function createNodeApp({ tasks, info, operations, logger }: NodeAppDependencies): Hono {
  const app = createApp(logger, MAX_BODY_BYTES, operations);
  app.post("/tasks", async (context) => {
    const request = await readBody(context, releasedRequestJson);
    if (!acceptsEvents(context)) return context.json(await tasks.answer(request));
    const begin = await tasks.stream(request, context.req.header(STREAM_SECRET));
    return sendEvents(context, LONGEST_WAIT_SECONDS, (events) => sendTask(events, begin, logger));
  });
  app.post("/tasks/:taskId/end", async (context) => {
    const request = await readBody(context, releasedRequestJson);
    if (request.release.taskId !== context.req.param("taskId")) {
      throw new OpgError("invalid_body", "The release is about another task than the address names.");
    }
    return context.json(await tasks.end(request, context.req.header(STREAM_SECRET)));
  });
  app.get("/info", (context) => context.json(info()));
  return app;
}

/** Steps as they come, then the answer, or the error in its place. */
async function sendTask(
  { send, signal }: EventWriter,
  begin: Awaited<ReturnType<TaskDuty["stream"]>>,
  logger: Logger,
): Promise<void> {
  const take = ({ steps, outputs, signed: { result, nodeSignature } }: SignedPrefix): Promise<void> => {
    const step: StreamStepJson = {
      steps,
      outputs: tensorsToJson(outputs),
      result: resultToJson(result),
      nodeSignature,
    };
    return send("step", step);
  };
  try {
    await send("answer", await begin({ take, signal }));
  } catch (error) {
    await send("error", errorBodyOf(error, logger));
  }
}
