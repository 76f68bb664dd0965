/** Above it those that came longest ago are forgotten, and begin anew. */
const MAX_ADDRESSES = 100_000;

/** How many requests an address may send. */
export interface RateLimitSettings {
  perSecond: number;
  /** How many at once, after a pause. */
  burst: number;
}

interface Bucket {
  tokens: number;
  filledMs: number;
}

/**
 * A token bucket for each address: it holds `burst` tokens, a request takes one, and `perSecond` flow back. A bucket that
 * has had time to fill is like none at all, so that of two generations the older is dropped whenever that time is over.
 */
export class RateLimit {
  readonly #settings: RateLimitSettings;
  readonly #nowMs: () => number;
  readonly #fillMs: number;
  #recent = new Map<string, Bucket>();
  #older = new Map<string, Bucket>();
  #turnMs: number;

  /** @param nowMs - a clock in milliseconds that never goes back */
  constructor(settings: RateLimitSettings, nowMs: () => number = () => performance.now()) {
    this.#settings = settings;
    this.#nowMs = nowMs;
    this.#fillMs = (settings.burst / settings.perSecond) * 1000;
    this.#turnMs = nowMs() + this.#fillMs;
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  /** Takes a token. @returns 0, or the seconds until there is one */
  take(address: string): number {
    const { perSecond, burst } = this.#settings;
    const now = this.#nowMs();
    if (now >= this.#turnMs || this.#recent.size >= MAX_ADDRESSES / 2) this.#turn(now);
    const bucket = this.#bucketOf(address, now);
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.filledMs) / 1000) * perSecond);
    bucket.filledMs = now;
    if (bucket.tokens < 1) return (1 - bucket.tokens) / perSecond;
    bucket.tokens -= 1;
    return 0;
  }

  #bucketOf(address: string, now: number): Bucket {
    const recent = this.#recent.get(address);
    if (recent) return recent;
    const bucket = this.#older.get(address) ?? { tokens: this.#settings.burst, filledMs: now };
    this.#older.delete(address);
    this.#recent.set(address, bucket);
    return bucket;
  }

  #turn(now: number): void {
    this.#older = this.#recent;
    this.#recent = new Map();
    this.#turnMs = now + this.#fillMs;
  }
}
