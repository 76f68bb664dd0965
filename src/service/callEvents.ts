import { EventSourceParserStream } from "eventsource-parser/stream";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { request } from "undici";
import type { z } from "zod";
import { type HttpCall, httpOptions, readAnswer, unavailable } from "./httpCall.ts";
import { EVENT_STREAM } from "./sendEvents.ts";

/** No event is larger. */
const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;

/** A call whose answer is server-sent events with JSON as their data. */
export interface EventsCall extends Omit<HttpCall<z.ZodType>, "answer" | "maxBytes"> {
  /** Hangs up. */
  signal: AbortSignal;
}

/** One event. */
export interface ReceivedEvent {
  event: string;
  data: unknown;
}

/**
 * Calls another OPG process and gives its events as they come.
 *
 * @throws OpgError the other side's where it answers with an error instead, or `unavailable`
 */
export async function* callEvents(call: EventsCall): AsyncGenerator<ReceivedEvent, void> {
  const events = await open(call);
  try {
    for await (const { event = "message", data } of events) yield { event, data: JSON.parse(data) as unknown };
  } catch (cause) {
    throw unavailable(call, "broke off", cause);
  }
}

async function open(call: EventsCall): Promise<ReadableStream<{ event?: string | undefined; data: string }>> {
  const { timeoutSeconds, signal } = call;
  const { method, headers, ...options } = httpOptions(call);
  const answered = request(call.url, {
    ...options,
    method,
    headers: { ...headers, accept: EVENT_STREAM },
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutSeconds * 1000)]),
    bodyTimeout: timeoutSeconds * 1000,
  });
  const { statusCode, body } = await answered.catch((cause: unknown) => {
    throw unavailable(call, "does not answer", cause);
  });
  if (statusCode >= 400) {
    readAnswer(call, statusCode, await body.text());
    throw unavailable(call, `answered ${statusCode}`);
  }
  const text = (Readable.toWeb(body) as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream());
  return text.pipeThrough(new EventSourceParserStream({ maxBufferSize: MAX_EVENT_CHARACTERS }));
}
