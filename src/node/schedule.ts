import { setTimeout as sleep } from "node:timers/promises";

/** A duty that runs until it is stopped. */
export interface Schedule {
  /** Resolves when the step under way has ended. */
  stop(): Promise<void>;
}

/**
 * Runs a step whenever it said that it is due again.
 *
 * @param step - does its own error handling; gives the seconds to wait before it runs again
 */
export function schedule(step: () => Promise<number>): Schedule {
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
