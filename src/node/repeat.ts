import { setTimeout as sleep } from "node:timers/promises";

/** A duty that runs until it is stopped. */
export interface Repetition {
  /** Resolves when the step under way has ended. */
  stop(): Promise<void>;
}

/**
 * Runs a step again and again, one at a time.
 *
 * @param step - does its own error handling; gives the seconds to wait before it runs again
 */
export function repeat(step: () => Promise<number>): Repetition {
  const stopping = new AbortController();
  const { signal } = stopping;
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const seconds = await step();
      await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}
