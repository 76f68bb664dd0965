import type { Context, Hono, MiddlewareHandler } from "hono";
import { OpgError } from "#protocol/errors.ts";
import { type ReleasedRequest, releasedRequestJson, STREAM_SECRET, type StreamStepJson } from "#protocol/messages.ts";
import { resultToJson } from "#protocol/result.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import { createApp, errorBodyOf, readBody } from "#service/httpApp.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import { acceptsEvents, type EventWriter, sendEvents } from "#service/sendEvents.ts";
import type { SignedPrefix } from "./enclave.ts";
import type { EnclaveTasks } from "./enclaveTasks.ts";
import { encodeRequest } from "./encodeRequest.ts";
import type { HostCalls, PagePath } from "./hostCalls.ts";
import { MAX_REQUEST_BYTES } from "./messages.ts";

/** A gateway that takes no step for so long is gone; it gives up on its own readers earlier. */
const LONGEST_WAIT_SECONDS = 20;

/** What the routes work with. */
export interface EnclaveAppDependencies {
  tasks: Pick<EnclaveTasks, "answer" | "stream" | "end">;
  host: Pick<HostCalls, "page">;
  operations: Operations;
  logger: Logger;
}

/**
 * What a node serves under its TLS key: `POST /tasks`, as one answer or as events, and `POST /tasks/{taskId}/end`. Pages about
 * the node are the host's.
 */
export function createEnclaveApp({ tasks, host, operations, logger }: EnclaveAppDependencies): Hono {
  const app = createApp(logger, MAX_REQUEST_BYTES, operations, hostPages(host));
  app.post("/tasks", async (context) => {
    const request = await readRequest(context);
    if (!acceptsEvents(context)) return context.json(await tasks.answer(request));
    const begin = await tasks.stream(request, context.req.header(STREAM_SECRET));
    return sendEvents(context, LONGEST_WAIT_SECONDS, (events) => sendTask(events, begin, logger));
  });
  app.post("/tasks/:taskId/end", async (context) => {
    const request = await readRequest(context);
    if (request.release.taskId !== context.req.param("taskId")) {
      throw new OpgError("invalid_body", "The release is about another task than the address names.");
    }
    return context.json(await tasks.end(request, context.req.header(STREAM_SECRET)));
  });
  app.get("/info", () => hostPage(host, "/info"));
  return app;
}

/** Numbers that were read take up to eight times their text: none are held while the host is asked about a task. */
async function readRequest(context: Context): Promise<ReleasedRequest> {
  return encodeRequest(await readBody(context, releasedRequestJson)).request;
}

/** Answered while the node drains, too. */
const operationsPages: ReadonlySet<string> = new Set<PagePath>(["/health", "/ready", "/metrics"]);

function hostPages(host: Pick<HostCalls, "page">): MiddlewareHandler {
  return async (context, next) => {
    const { method, path } = context.req;
    return method === "GET" && operationsPages.has(path) ? hostPage(host, path as PagePath) : next();
  };
}

/** Has the host say what is asked about the node; nothing of the request but the page's name goes there. */
async function hostPage(host: Pick<HostCalls, "page">, path: PagePath): Promise<Response> {
  const { status, contentType, body } = await host.page(path);
  return new Response(body, { status, headers: { "Content-Type": contentType, "Cache-Control": "no-store" } });
}

/** Steps as they come, then the answer, or the error in its place. */
async function sendTask(
  { send, signal }: EventWriter,
  begin: Awaited<ReturnType<EnclaveTasks["stream"]>>,
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
