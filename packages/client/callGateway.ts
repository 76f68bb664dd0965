import type { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import type { Fetch } from "./fetch.ts";

const EVENT_STREAM = "text/event-stream";

/** One call to the gateway. */
export interface GatewayCall {
  method: "GET" | "POST";
  url: string;
  headers?: Record<string, string>;
  body?: unknown;
  timeoutSeconds: number;
  /** Hangs up; with it, server-sent events are accepted. */
  hangUp?: AbortSignal;
}

/** What the gateway answered: status, headers and the JSON of the body. */
export interface GatewayAnswer {
  status: number;
  headers: Headers;
  /** Nothing where there are events instead. */
  content: unknown;
  /** Server-sent events as they come. */
  events?: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * Calls the gateway.
 *
 * @throws OpgError `gateway_unavailable` when nothing answers, or something that is no gateway
 */
export async function callGateway(fetch: Fetch, call: GatewayCall): Promise<GatewayAnswer> {
  const { method, url, body, timeoutSeconds, hangUp } = call;
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  try {
    const response = await fetch(url, {
      method,
      headers: {
        accept: hangUp ? `${EVENT_STREAM}, application/json` : "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...call.headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: hangUp ? AbortSignal.any([hangUp, timeout]) : timeout,
    });
    const { status, headers } = response;
    if (response.body && headers.get("content-type")?.startsWith(EVENT_STREAM)) {
      return { status, headers, content: undefined, events: response.body };
    }
    const content: unknown = await response.json();
    return { status, headers, content };
  } catch (cause) {
    throw unavailable(url, "does not answer", cause);
  }
}

/** Reads an answer, or throws what it says: the gateway's own typed error, or `gateway_unavailable`. */
export function readAnswer<Schema extends z.ZodType>(
  answer: GatewayAnswer,
  url: string,
  schema: Schema,
): z.output<Schema> {
  if (answer.status !== 200) throw OpgError.fromBody(answer.content) ?? unavailable(url, `answered ${answer.status}`);
  const parsed = schema.safeParse(answer.content);
  if (parsed.success) return parsed.data;
  throw unavailable(url, `answered something else at "${parsed.error.issues[0]?.path.join(".") ?? ""}"`, parsed.error);
}

function unavailable(url: string, problem: string, cause?: unknown): OpgError {
  const { origin } = new URL(url);
  return new OpgError(
    "gateway_unavailable",
    `${origin} ${problem}; check the gateway's URL or try again later.`,
    { url: origin },
    { cause },
  );
}
