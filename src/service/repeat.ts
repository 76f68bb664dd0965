import type { Logger } from "./logger.ts";
import { outsideRequests } from "./requestId.ts";

/** Work that is done again and again. */
export interface Repeated {
  /** Does it now, or, when it is being done, once more right after. */
  now(): void;
  /** Resolves when the work under way has ended; none begins after it. */
  stop(): Promise<void>;
}

/**
 * Does `work` at once and then every `seconds`, never twice at a time. A failure is logged and the work is tried again at
 * the next turn. It belongs to no request, though one may set it off.
 */
export function repeat(name: string, seconds: number, work: () => Promise<void>, logger: Logger): Repeated {
  let running: Promise<void> | undefined;
  let again = false;
  let stopped = false;
  const now = (): void => {
    if (stopped) return;
    again = running !== undefined;
    running ??= outsideRequests(work)
      .catch((error: unknown) => logger.error({ err: error, duty: name }, "a duty failed; it will be tried again"))
      .finally(() => {
        running = undefined;
        if (again) now();
      });
  };
  const timer = setInterval(now, seconds * 1000);
  now();
  return {
    now,
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
}
