/** How far back counts go. */
export const WINDOW_SECONDS = 600;

const SLICE_SECONDS = 60;

/** What happened within one slice of time. */
interface Slice<Name extends string> {
  number: number;
  counts: Map<Name, number>;
}

/**
 * How often things happened in the last ten minutes, to the minute. Ten numbers of each kind are kept, however much
 * happens.
 */
export class SlidingCounts<Name extends string> {
  #slices: Slice<Name>[] = [];

  /** @param now - seconds since 1970, as everywhere here */
  add(name: Name, now: number): void {
    const number = Math.floor(now / SLICE_SECONDS);
    this.#forget(now);
    let slice = this.#slices.at(-1);
    if (slice?.number !== number) this.#slices.push((slice = { number, counts: new Map() }));
    slice.counts.set(name, (slice.counts.get(name) ?? 0) + 1);
  }

  of(name: Name, now: number): number {
    this.#forget(now);
    return this.#slices.reduce((sum, { counts }) => sum + (counts.get(name) ?? 0), 0);
  }

  isEmpty(now: number): boolean {
    this.#forget(now);
    return this.#slices.length === 0;
  }

  #forget(now: number): void {
    const oldest = Math.floor((now - WINDOW_SECONDS) / SLICE_SECONDS);
    this.#slices = this.#slices.filter(({ number }) => number > oldest);
  }
}
