import type { Dispatcher } from "undici";
import { Agent, request } from "undici";
import type { z } from "zod";
import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import { connectionReuse } from "./connectionReuse.ts";
import { currentRequestId, requestIdHeader } from "./requestId.ts";

const ownDispatcher = new Agent(connectionReuse);

/** The cause of `unavailable` where the other side did answer, but more than the call takes. */
export class AnswerTooLargeError extends Error {
  override readonly name = "AnswerTooLargeError";

  constructor(maxBytes: number) {
    super(`answered more than ${maxBytes} bytes`);
  }
}

/** One call to another OPG process. */
export interface HttpCall<Schema extends z.ZodType> {
  method: "GET" | "POST";
  url: string;
  /** JSON body; bigint must have become strings. */
  body?: unknown;
  answer: Schema;
  timeoutSeconds: number;
  /** Ends the wait before that. */
  signal?: AbortSignal;
  /** Code of the error when nobody answers, or what answers is not an OPG process. */
  unavailable: Extract<ErrorCode, `${string}_unavailable`>;
  /** Beside those that every call has. */
  headers?: Readonly<Record<string, string>>;
  /** For pinned TLS. */
  dispatcher?: Dispatcher;
  /** Answers larger than this are cut off and refused. */
  maxBytes?: number;
}

/**
 * Calls another OPG process under the id of the request that is worked on, and reads its answer. An error that the other
 * side names is thrown as it was named; one that is about to end is as good as gone.
 *
 * @throws OpgError the other side's, or `unavailable`
 */
export async function httpCall<Schema extends z.ZodType>(call: HttpCall<Schema>): Promise<z.output<Schema>> {
  const { status, text } = await exchange(call);
  const content = readAnswer(call, status, text);
  const parsed = call.answer.safeParse(content);
  if (!parsed.success) {
    throw unavailable(
      call,
      `answered something else at "${parsed.error.issues[0]?.path.join(".") ?? ""}"`,
      parsed.error,
    );
  }
  return parsed.data;
}

type Called = Omit<HttpCall<z.ZodType>, "answer">;

/** The JSON of an answer. @throws OpgError the one that the other side names, or `unavailable` */
export function readAnswer(call: Called, status: number, text: string): unknown {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw unavailable(call, `answered ${status} without JSON`, cause);
  }
  if (status < 400) return content;
  const named = OpgError.fromBody(content);
  if (named?.code === "draining") throw unavailable(call, "is about to end", named);
  throw named ?? unavailable(call, `answered ${status}`);
}

/** What a call is made with, whatever its answer is. */
export function httpOptions(call: Called) {
  return {
    method: call.method,
    headers: headersOf(call),
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    dispatcher: call.dispatcher ?? ownDispatcher,
    headersTimeout: call.timeoutSeconds * 1000,
  };
}

async function exchange(call: HttpCall<z.ZodType>): Promise<{ status: number; text: string }> {
  const maxBytes = call.maxBytes ?? 64 * 1024 * 1024;
  try {
    const timeout = AbortSignal.timeout(call.timeoutSeconds * 1000);
    const signal = call.signal ? AbortSignal.any([call.signal, timeout]) : timeout;
    const { statusCode, body } = await request(call.url, { ...httpOptions(call), signal });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw new AnswerTooLargeError(maxBytes);
      chunks.push(chunk);
    }
    return { status: statusCode, text: Buffer.concat(chunks).toString("utf8") };
  } catch (cause) {
    throw unavailable(call, problemOf(cause as Error, call), cause);
  }
}

function problemOf(cause: Error, { timeoutSeconds, signal }: Called): string {
  if (cause instanceof AnswerTooLargeError) return cause.message;
  if (signal?.aborted) return "was not waited for any longer";
  return cause.name === "TimeoutError" ? `did not answer in ${timeoutSeconds} s` : "does not answer";
}

function headersOf({ body, headers }: Called): Record<string, string> {
  const requestId = currentRequestId();
  return {
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...(requestId === undefined ? {} : { [requestIdHeader]: requestId }),
    ...headers,
  };
}

/** The error for another side that does not answer, or not as it should. */
export function unavailable(call: Called, problem: string, cause?: unknown): OpgError {
  const { origin } = new URL(call.url);
  return new OpgError(call.unavailable, `${origin} ${problem}; try again later.`, { url: origin }, { cause });
}
