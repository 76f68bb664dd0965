/** What watches over a body on its way. */
export interface Meter {
  /** A piece is about to be sent. @returns whether anybody still wants it */
  count(bytes: number): boolean;
  end(ending: "complete" | "hung_up" | "failed"): void;
}

/** A body that can be broken off. */
export interface MeteredBody {
  stream: ReadableStream<Uint8Array>;
  /** Ends its source, and itself with an error for whoever reads on; harmless after its end. */
  breakOff: (reason: unknown) => void;
}

/**
 * Passes a body through piece by piece. Nothing is read ahead: the source is asked when the connection asks, so that what is
 * counted has been taken by the connection.
 */
export function meteredBody(source: ReadableStream<Uint8Array>, meter: Meter): MeteredBody {
  const reader = source.getReader();
  const leave = (reason: unknown): Promise<void> => reader.cancel(reason).catch(() => undefined);
  let broken: { reason: unknown } | undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (broken) controller.error(broken.reason);
          else if (done) {
            controller.close();
            meter.end("complete");
          } else if (meter.count(value.byteLength)) controller.enqueue(value);
        } catch (error) {
          meter.end("failed");
          controller.error(error);
        }
      },
      async cancel(reason) {
        meter.end("hung_up");
        await leave(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return {
    stream,
    breakOff(reason) {
      broken = { reason };
      void leave(reason);
    },
  };
}
