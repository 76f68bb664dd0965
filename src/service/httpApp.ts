import { type Context, Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod";
import { type ErrorBody, OpgError } from "#protocol/errors.ts";
import { admitRequests } from "./admitRequests.ts";
import type { Logger } from "./logger.ts";
import { observeRequests } from "./observeRequests.ts";
import { Operations } from "./operations.ts";
import { addOperationsRoutes } from "./operationsRoutes.ts";
import { parseStrictJson } from "./strictJson.ts";

/**
 * An HTTP app whose every failure is a typed error body: an {@link OpgError} travels under its status, anything else is
 * logged and leaves as `internal`, without a stack. Every request has an id and is counted; it is refused where a limit or
 * the process's end asks for that, before its body is read.
 *
 * @param maxBodyBytes - larger bodies are refused before they are read; left out where a route reads its body as a
 * stream and counts itself
 * @param first - what is done with requests that are refused, too
 */
export function createApp(
  logger: Logger,
  maxBodyBytes?: number,
  operations: Operations = new Operations(),
  ...first: MiddlewareHandler[]
): Hono {
  const app = new Hono();
  app.use(observeRequests(operations, logger), ...first);
  addOperationsRoutes(app, operations, logger);
  app.use(admitRequests(operations));
  if (maxBodyBytes !== undefined) {
    app.use(limitBody(maxBodyBytes));
  }
  app.notFound((context) => {
    const { path, method } = context.req;
    return sendError(context, new OpgError("not_found", `There is nothing at ${method} ${path}.`, { path }));
  });
  app.onError((error, context) => {
    const isOrdinary = error instanceof OpgError && (error.status < 500 || error.code === "draining");
    if (isOrdinary) return sendError(context, error);
    const known = error instanceof OpgError ? error : undefined;
    logger.error({ err: error, path: context.req.path, code: known?.code ?? "internal" }, "request failed");
    return sendError(context, known ?? internal());
  });
  return app;
}

/** What is said of an error where an answer has begun already: anything but an {@link OpgError} is logged and kept back. */
export function errorBodyOf(error: unknown, logger: Logger): ErrorBody {
  if (error instanceof OpgError) return error.toBody();
  logger.error({ err: error, code: "internal" }, "stream failed");
  return internal().toBody();
}

function internal(): OpgError {
  return new OpgError("internal", "Something failed on our side; try again later.");
}

/** Only a body whose length nobody names is counted as it comes: to look at it makes a stream of it, at a cost. */
function limitBody(maxSize: number): MiddlewareHandler {
  const onError = () => Promise.reject(bodyTooLarge(maxSize));
  const counting = bodyLimit({ maxSize, onError });
  return (context, next) => {
    const length = context.req.header("content-length");
    const isNamed = length !== undefined && context.req.header("transfer-encoding") === undefined;
    if (!isNamed) return counting(context, next);
    return Number(length) > maxSize ? onError() : next();
  };
}

/** The error for a body above a limit. */
export function bodyTooLarge(maxBodyBytes: number): OpgError {
  return new OpgError("body_too_large", `The body is larger than ${maxBodyBytes} bytes; send less.`, { maxBodyBytes });
}

/** Answers with an error's body and status, and says in the header, too, when to come again. */
export function sendError(context: Context, error: OpgError): Response {
  const { retryAfterSeconds } = error.values;
  if (typeof retryAfterSeconds === "number") context.header("Retry-After", String(retryAfterSeconds));
  return context.json(error.toBody(), error.status as ContentfulStatusCode);
}

/**
 * Reads and checks a JSON body.
 *
 * @throws OpgError `malformed_json` or `invalid_body`, naming the field
 */
export async function readBody<Schema extends z.ZodType>(context: Context, schema: Schema): Promise<z.output<Schema>> {
  const bytes = await context.req.arrayBuffer();
  let value: unknown;
  try {
    value = parseStrictJson(bytes);
  } catch {
    const message = "The body is not JSON, names a key twice or nests too deep; send a plain JSON object.";
    throw new OpgError("malformed_json", message);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") || "body";
  throw new OpgError("invalid_body", `"${field}" is wrong: ${issue?.message ?? "unreadable"}.`, { field });
}
