import type { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import type { Fetch } from "./fetch.ts";

/** One call to the gateway. */
export interface GatewayCall {
  method: "GET" | "POST";
  url: string;
  headers?: Record<string, string>;
  body?: unknown;
  timeoutSeconds: number;
}

/** What the gateway answered: status, headers and the JSON of the body. */
export interface GatewayAnswer {
  status: number;
  headers: Headers;
  content: unknown;
}

/**
 * Calls the gateway.
 *
 * @throws OpgError `gateway_unavailable` when nothing answers, or something that is no gateway
 */
export async function callGateway(fetch: Fetch, call: GatewayCall): Promise<GatewayAnswer> {
  const { method, url, body, timeoutSeconds } = call;
  try {
    const response = await fetch(url, {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...call.headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
    });
    const content: unknown = await response.json();
    return { status: response.status, headers: response.headers, content };
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
