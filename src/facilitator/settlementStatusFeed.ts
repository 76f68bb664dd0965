import { OpgError } from "#protocol/errors.ts";
import { isSettlementOver, type SettlementStatus } from "#protocol/settlementStatus.ts";
import type { Logger } from "#service/logger.ts";
import { type Repeated, repeat } from "#service/repeat.ts";

/** Limits and times of the feed; a test may have others. */
export interface FeedSettings {
  pollSeconds: number;
  /** How long a follower is told nothing, before it is told that the connection lives. */
  heartbeatSeconds: number;
  maxFollowers: number;
  /** How many of these one address may be, so that none keeps the others out. */
  maxPerAddress: number;
}

const usual: FeedSettings = { pollSeconds: 0.3, heartbeatSeconds: 15, maxFollowers: 1_000, maxPerAddress: 100 };

/** Reads how some settlements stand. */
export type ReadStatuses = (ids: readonly string[]) => Promise<SettlementStatus[]>;

/**
 * Tells how settlements go on, whichever process has them go on: all that anybody follows are read together, a few times a second,
 * and only while somebody follows one.
 */
export class SettlementStatusFeed {
  readonly #read: ReadStatuses;
  readonly #logger: Logger;
  readonly #draining: AbortSignal;
  readonly #settings: FeedSettings;
  readonly #followers = new Set<Follower>();
  /** How many of them there are of each address. */
  readonly #ofAddress = new Map<string, number>();
  #polling: Repeated | undefined;

  /** @param draining - aborted when the process is to end, and with it all that is followed */
  constructor(read: ReadStatuses, logger: Logger, draining: AbortSignal, settings: Partial<FeedSettings> = {}) {
    this.#read = read;
    this.#logger = logger;
    this.#draining = draining;
    this.#settings = { ...usual, ...settings };
    draining.addEventListener("abort", () => {
      for (const follower of [...this.#followers]) this.#leave(follower);
    });
  }

  /**
   * Follows a settlement from how it stands now.
   *
   * @param hungUp - aborted when nobody listens any more
   * @param address - whose request it is
   * @returns each status as it changes, the given one first and that of its end last; `undefined` now and then in between
   * @throws OpgError `rate_limited` when too many follow already, here or from that address
   */
  follow(first: SettlementStatus, hungUp: AbortSignal, address: string): AsyncGenerator<SettlementStatus | undefined> {
    const { maxFollowers, maxPerAddress, heartbeatSeconds } = this.#settings;
    if (this.#followers.size >= maxFollowers) throw tooMany(`${maxFollowers} follow settlements here`);
    const ofAddress = this.#ofAddress.get(address) ?? 0;
    if (ofAddress >= maxPerAddress) throw tooMany(`${ofAddress} follow settlements from your address`);
    const follower = new Follower(first, address);
    this.#followers.add(follower);
    this.#ofAddress.set(address, ofAddress + 1);
    this.#polling ??= repeat("follow settlements", this.#settings.pollSeconds, () => this.#poll(), this.#logger);
    const leave = (): void => this.#leave(follower);
    hungUp.addEventListener("abort", leave, { once: true });
    if (hungUp.aborted || this.#draining.aborted) leave();
    return follower.changes(heartbeatSeconds * 1000, leave);
  }

  async #poll(): Promise<void> {
    const ids = [...new Set([...this.#followers].map(({ id }) => id))];
    if (ids.length === 0) return;
    const statuses = new Map((await this.#read(ids)).map((status) => [status.id, status]));
    for (const follower of this.#followers) follower.tell(statuses.get(follower.id));
  }

  #leave(follower: Follower): void {
    if (!this.#followers.delete(follower)) return;
    const left = (this.#ofAddress.get(follower.address) ?? 1) - 1;
    if (left > 0) this.#ofAddress.set(follower.address, left);
    else this.#ofAddress.delete(follower.address);
    follower.end();
    if (this.#followers.size > 0) return;
    void this.#polling?.stop();
    this.#polling = undefined;
  }
}

/** One who follows. However slowly it takes changes, only the newest waits for it. */
class Follower {
  readonly id: string;
  readonly address: string;
  #told: string;
  #newest: SettlementStatus | undefined;
  #isEnded = false;
  #wake: () => void = () => undefined;

  constructor(first: SettlementStatus, address: string) {
    this.id = first.id;
    this.address = address;
    this.#told = "";
    this.tell(first);
  }

  tell(status: SettlementStatus | undefined): void {
    const words = JSON.stringify(status);
    if (status === undefined || words === this.#told) return;
    this.#told = words;
    this.#newest = status;
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async *changes(heartbeatMs: number, leave: () => void): AsyncGenerator<SettlementStatus | undefined> {
    try {
      while (!this.#isEnded) {
        if (this.#newest === undefined) await this.#change(heartbeatMs);
        const status = this.#newest;
        this.#newest = undefined;
        yield status;
        if (status && isSettlementOver(status)) return;
      }
    } finally {
      leave();
    }
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function tooMany(who: string): OpgError {
  const words = `${who} already; ask without "accept: text/event-stream", or later.`;
  return new OpgError("rate_limited", words, { retryAfterSeconds: 5 });
}
