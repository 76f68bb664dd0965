import type { StreamStepJson } from "#protocol/messages.ts";
import type { EventWriter } from "#service/sendEvents.ts";

/** Who takes the steps of a stream as they come. */
export interface StepReader {
  /** Resolves when the reader can take more, or takes no more at all. */
  take(step: StreamStepJson): Promise<void>;
  /** Aborted when nobody reads any more. */
  readonly signal: AbortSignal;
}

/** Holds the first step until it is known that the answer is a stream: until then it may be an error or an offer. */
export class WaitingReader implements StepReader {
  readonly #begun = Promise.withResolvers<true>();
  readonly #events = Promise.withResolvers<EventWriter>();
  readonly #left = new AbortController();
  readonly #gone = Promise.withResolvers<undefined>();

  #connected: EventWriter | undefined;

  /** @param caller - aborted when the caller hangs up */
  constructor(caller: AbortSignal) {
    this.signal.addEventListener("abort", () => this.#gone.resolve(undefined), { once: true });
    this.#leaveWith(caller);
  }

  /** Resolves with the first step. */
  get begun(): Promise<true> {
    return this.#begun.promise;
  }

  get signal(): AbortSignal {
    return this.#left.signal;
  }

  async take(step: StreamStepJson): Promise<void> {
    this.#begun.resolve(true);
    const events = this.#connected ?? (await Promise.race([this.#events.promise, this.#gone.promise]));
    await events?.send("step", step);
  }

  /** Lets the steps go out. */
  connect(events: EventWriter): void {
    this.#leaveWith(events.signal);
    this.#connected = events;
    this.#events.resolve(events);
  }

  #leaveWith(signal: AbortSignal): void {
    if (signal.aborted) this.#left.abort();
    signal.addEventListener("abort", () => this.#left.abort(), { once: true });
  }
}
