/** A body that a test makes piece by piece. */
export function stagedBody() {
  const { promise: cancelled, resolve: onCancelled } = Promise.withResolvers<unknown>();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (own) => {
      controller = own;
    },
    cancel: (reason) => onCancelled(reason),
  });
  return {
    body,
    /** Resolves when nobody wants it any more. */
    cancelled,
    send: (text: string): void => controller?.enqueue(new TextEncoder().encode(text)),
    end: (): void => controller?.close(),
    fail: (error: Error): void => controller?.error(error),
  };
}

export type StagedBody = ReturnType<typeof stagedBody>;

/** Reads one piece of an answer. */
export async function nextText(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string | undefined> {
  const { done, value } = await reader.read();
  return done ? undefined : new TextDecoder().decode(value);
}
