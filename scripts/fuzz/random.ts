/** Random numbers that a seed determines (Mulberry32); good enough to choose by, and for nothing that must stay secret. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  /** Whether something happens that does so once in so many times. */
  once(inTimes: number): boolean {
    return this.below(inTimes) === 0;
  }

  pick<Value>(values: readonly Value[]): Value {
    if (values.length === 0) throw new Error("nothing to pick from");
    return values[this.below(values.length)] as Value;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
