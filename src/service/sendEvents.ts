import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { stream } from "hono/streaming";

/** What an answer of server-sent events is written with. */
export interface EventWriter {
  /** Resolves when the connection takes more: who waits for it is never ahead of a slow reader by more than that. */
  readonly send: (event: string, data: unknown) => Promise<void>;
  /** Aborted when nobody reads any more. */
  readonly signal: AbortSignal;
}

/** Media type of server-sent events. */
export const EVENT_STREAM = "text/event-stream";

/** Whether a request asks for server-sent events. */
export function acceptsEvents(context: Context): boolean {
  const accepted = (context.req.header("accept") ?? "").toLowerCase().split(",");
  return accepted.some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim());
    return type === EVENT_STREAM && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}

/**
 * Answers with server-sent events, each with JSON as its data.
 *
 * @param longestWaitSeconds - a reader that takes nothing for so long is cut off
 * @param work - sends them, and handles its own errors; the answer ends when it does
 */
export function sendEvents(
  context: Context,
  longestWaitSeconds: number,
  work: (events: EventWriter) => Promise<void>,
): Response {
  context.header("Content-Type", `${EVENT_STREAM}; charset=utf-8`);
  context.header("Cache-Control", "no-store");
  // Proxies that hold answers back until they are whole are told not to.
  context.header("X-Accel-Buffering", "no");
  return stream(context, async (writer) => {
    const left = new AbortController();
    writer.onAbort(() => left.abort());
    const send = async (event: string, data: unknown): Promise<void> => {
      if (left.signal.aborted) return;
      const cut = setTimeout(() => {
        writer.abort();
        // What the socket has not got rid of would stay with it for as long as the reader stalls.
        (context.env as Partial<HttpBindings> | undefined)?.outgoing?.destroy();
      }, longestWaitSeconds * 1000);
      await writer.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      clearTimeout(cut);
    };
    await work({ send, signal: left.signal });
  });
}
