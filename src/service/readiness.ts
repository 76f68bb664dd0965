import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "./logger.ts";

const CHECK_TIMEOUT_SECONDS = 2;
/** Whoever asks within it gets the same answer: asking is open to everybody and must not wear out what is asked. */
const FRESH_MS = 1_000;

/** Looks after one dependency. @returns what is wrong with it, or nothing; one that throws does not answer */
export type DependencyCheck = () => Promise<string | undefined>;

/** Body of `GET /ready`. */
export interface ReadinessJson {
  status: "ready" | "not_ready" | "draining";
  /** What is missing, by the name of the dependency: a sentence for a person. */
  missing: Record<string, string>;
}

/** Whether a process can do its work now: everything that it depends on answers, and it is not about to end. */
export class Readiness {
  readonly #checks = new Map<string, DependencyCheck>();
  readonly #failing = new Set<string>();
  #known: { missing: Promise<Record<string, string>>; untilMs: number } | undefined;
  readonly #draining = new AbortController();

  /** Whether the process takes no new requests any more. */
  get isDraining(): boolean {
    return this.#draining.signal.aborted;
  }

  /** Aborted from then on: what would go on for as long as its caller likes ends by it. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** The dependencies by name. */
  get dependencies(): string[] {
    return [...this.#checks.keys()];
  }

  /** Counts on a dependency from now on. */
  require(dependency: string, check: DependencyCheck): void {
    this.#checks.set(dependency, check);
  }

  /** From now on new requests are refused; those that run go on. */
  drain(): void {
    this.#draining.abort();
  }

  /** Asks all dependencies side by side, at most once a second. A change is logged with its cause, which stays in here. */
  async ask(logger: Logger): Promise<ReadinessJson> {
    const now = performance.now();
    if (!this.#known || this.#known.untilMs <= now) {
      this.#known = { missing: this.#askAll(logger), untilMs: now + FRESH_MS };
    }
    const missing = await this.#known.missing;
    if (this.isDraining) return { status: "draining", missing };
    return { status: Object.keys(missing).length === 0 ? "ready" : "not_ready", missing };
  }

  async #askAll(logger: Logger): Promise<Record<string, string>> {
    const asked = [...this.#checks].map(async ([dependency, check]) => {
      const { problem, cause } = await examine(check);
      this.#logChange(logger, dependency, problem, cause);
      return problem === undefined ? [] : [[dependency, problem]];
    });
    return Object.fromEntries((await Promise.all(asked)).flat()) as Record<string, string>;
  }

  #logChange(logger: Logger, dependency: string, problem: string | undefined, cause: unknown): void {
    const failedBefore = this.#failing.has(dependency);
    if (problem === undefined && failedBefore) {
      this.#failing.delete(dependency);
      logger.info({ dependency }, "a dependency is back");
    } else if (problem !== undefined && !failedBefore) {
      this.#failing.add(dependency);
      logger.warn({ dependency, problem, err: cause }, "a dependency is missing");
    }
  }
}

async function examine(check: DependencyCheck): Promise<{ problem: string | undefined; cause?: unknown }> {
  const timer = new AbortController();
  const timeout = sleep(CHECK_TIMEOUT_SECONDS * 1000, `does not answer within ${CHECK_TIMEOUT_SECONDS} s`, {
    signal: timer.signal,
    ref: false,
  });
  timeout.catch(() => undefined);
  try {
    return { problem: await Promise.race([check(), timeout]) };
  } catch (cause) {
    return { problem: "does not answer", cause };
  } finally {
    timer.abort();
  }
}
