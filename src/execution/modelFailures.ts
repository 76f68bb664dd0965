import { OpgError } from "#protocol/errors.ts";
import type { Clock } from "#service/clock.ts";

const FIRST_RETRY_SECONDS = 1;
const LONGEST_RETRY_SECONDS = 300;

interface Failure {
  error: Error;
  retrySeconds: number;
  /** Seconds since 1970; nothing for what can never be loaded. */
  retryAt: number | undefined;
}

/**
 * Files that could not be loaded as models, by digest. Anyone may publish, and whatever was published is looked at again and
 * again: so each failure makes the next try twice as late, up to five minutes, and a file that is no model, or too large, is
 * not looked at again.
 */
export class ModelFailures {
  readonly #clock: Clock;
  readonly #failures = new Map<string, Failure>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a file may be tried now. */
  isDue(digest: string): boolean {
    const failure = this.#failures.get(digest);
    return !failure || (failure.retryAt !== undefined && this.#clock() >= failure.retryAt);
  }

  /** What a file failed with last; nothing where it did not. */
  errorOf(digest: string): Error | undefined {
    return this.#failures.get(digest)?.error;
  }

  /** @returns seconds until it may be tried again; nothing where that is never */
  failed(digest: string, thrown: unknown): number | undefined {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const last = this.#failures.get(digest)?.retrySeconds ?? FIRST_RETRY_SECONDS / 2;
    const retrySeconds = Math.min(last * 2, LONGEST_RETRY_SECONDS);
    const isForGood = error instanceof OpgError && ["invalid_model", "blob_too_large"].includes(error.code);
    const retryAt = isForGood ? undefined : this.#clock() + retrySeconds;
    this.#failures.set(digest, { error, retrySeconds, retryAt });
    return isForGood ? undefined : retrySeconds;
  }

  /** It was loaded. */
  succeeded(digest: string): void {
    this.#failures.delete(digest);
  }
}
