/** Something that is asked for about a chain, and what was read. */
export interface Followed<Question, Value> {
  question: Question;
  /** Nothing where it is not known at the present block. */
  value: Value | undefined;
  /** Number of the block at which it was last asked for. */
  askedAt: number;
  /** Whether it was asked for more than once: only then it is read again, before anybody asks. */
  isFollowed: boolean;
}

/** How much is kept, and for how long. */
export interface FollowedLimits {
  /** Above it, what was asked for longest ago is forgotten. */
  most: number;
  /** Blocks after which what nobody asked for is forgotten. */
  blocks: number;
}

/** Answers about many things as of one block. Those asked for again and again are known anew at each block. */
export class FollowedSet<Question, Value> {
  readonly #limits: FollowedLimits;
  /** In the order of the blocks at which they were last asked for. */
  readonly #entries = new Map<string, Followed<Question, Value>>();
  readonly #missing = new Set<Followed<Question, Value>>();

  constructor(limits: FollowedLimits) {
    this.#limits = limits;
  }

  /** How many are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether it is kept, its value known or not. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Asks for something once more; {@link valueOf} has its value. */
  ask(key: string, question: Question, blockNumber: number): Followed<Question, Value> {
    const known = this.#entries.get(key);
    if (!known) return this.#add(key, question, blockNumber);
    known.isFollowed = true;
    if (known.askedAt !== blockNumber) {
      known.askedAt = blockNumber;
      // A map keeps the order of insertion.
      this.#entries.delete(key);
      this.#entries.set(key, known);
    }
    return known;
  }

  /** The value at the present block; where there is none, it counts as missing from now on. */
  valueOf(entry: Followed<Question, Value>): Value | undefined {
    if (entry.value === undefined) this.#missing.add(entry);
    return entry.value;
  }

  /** The value of what is kept, without asking for it. */
  peek(key: string): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  /** What was asked for and is not known. */
  missing(): Followed<Question, Value>[] {
    return [...this.#missing];
  }

  /** Forgets what nobody asked for lately. @returns what is to be read at the new block */
  dueAt(blockNumber: number): Followed<Question, Value>[] {
    for (const [key, entry] of this.#entries) {
      if (entry.askedAt >= blockNumber - this.#limits.blocks) break;
      this.#remove(key, entry);
    }
    return [...this.#entries.values()].filter(({ isFollowed }) => isFollowed);
  }

  /** What was known of the block before is not known any more. */
  clear(): void {
    for (const entry of this.#entries.values()) entry.value = undefined;
  }

  /** Notes what was read, in the order of `entries`. What there is no answer for is not read again before somebody asks. */
  know(entries: readonly Followed<Question, Value>[], values: readonly (Value | undefined)[]): void {
    entries.forEach((entry, index) => {
      entry.value = values[index];
      if (entry.value === undefined) entry.isFollowed = false;
      this.#missing.delete(entry);
    });
  }

  #add(key: string, question: Question, askedAt: number): Followed<Question, Value> {
    if (this.#entries.size >= this.#limits.most) {
      const [oldest] = this.#entries;
      if (oldest) this.#remove(...oldest);
    }
    const entry = { question, value: undefined, askedAt, isFollowed: false };
    this.#entries.set(key, entry);
    return entry;
  }

  #remove(key: string, entry: Followed<Question, Value>): void {
    this.#entries.delete(key);
    this.#missing.delete(entry);
    // Whoever waits for it still must not take it for one of a later block.
    entry.value = undefined;
  }
}
