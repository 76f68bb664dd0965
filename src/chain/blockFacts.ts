import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";
import type { ChainHead } from "./chainHead.ts";

/** Slower reads do not keep a block from being gone by: what they would say is not known until they are done. */
const ADVANCE_MS = 2_000;
/** Tries to read something that a new block overtakes each time. */
const MAX_READS = 5;

/** A block as evidence of what was read at it. */
export interface ObservedBlock {
  number: number;
  /** Seconds since 1970. */
  timestamp: number;
  hash: string;
}

/** What facts are followed with. */
export interface BlockFactsDependencies {
  /** Says which block is the newest. Its own: a look must not wait for what others do about a block, nor fail with them. */
  head: Pick<ChainHead, "advance" | "newest">;
  /** Seconds since 1970. */
  clock: () => number;
  /** A newest block older than this is no evidence any more. */
  maxBlockAgeSeconds: number;
}

/** Facts in memory, and how they are read. What a read returns notes them, and is called unless another block came first. */
export interface FactSource {
  /** Reads at a new block what is followed. */
  readDue(blockNumber: number): Promise<() => void>;
  /** Reads what was asked for and is not known. */
  readMissing(blockNumber: number): Promise<() => void>;
  /** What was known of the block before is not known any more. */
  clear(): void;
}

/**
 * Goes from block to block with facts about the chain. Nothing is ever put together of two blocks, and a block that was
 * replaced is read anew like any other.
 */
export class BlockFacts {
  readonly #dependencies: BlockFactsDependencies;
  readonly #source: FactSource;
  #block: ObservedBlock | undefined;
  #advancing: Promise<ObservedBlock> | undefined;
  #reading: Promise<void> | undefined;
  #isReadingDue = false;

  constructor(dependencies: BlockFactsDependencies, source: FactSource) {
    this.#dependencies = dependencies;
    this.#source = source;
  }

  /** The newest block that was seen, however old. */
  get block(): ObservedBlock | undefined {
    return this.#block;
  }

  /**
   * Looks for a new block and, if there is one, reads everything that is followed at it.
   *
   * @returns the newest block, by which questions are answered from now on
   * @throws OpgError `chain_unavailable`
   */
  advance(): Promise<ObservedBlock> {
    this.#advancing ??= this.#advance().finally(() => (this.#advancing = undefined));
    return this.#advancing;
  }

  /** The newest block that was seen. @throws OpgError `chain_unavailable` where it is too old to go by */
  freshBlock(): ObservedBlock {
    const { clock, maxBlockAgeSeconds } = this.#dependencies;
    const block = this.#block;
    if (block && clock() - block.timestamp <= maxBlockAgeSeconds) return block;
    throw new OpgError(
      "chain_unavailable",
      `The newest block seen is ${block ? clock() - block.timestamp : "unknown"} seconds old; try again in a moment.`,
      { block: block?.number, maxBlockAgeSeconds },
    );
  }

  /**
   * Looks something up at the newest block; what is missing is read, for all who wait in one call.
   *
   * @param look - notes what is missing, and returns nothing while something is
   * @param what - whose fact it is, for the error
   * @throws OpgError `chain_unavailable`
   */
  async find<Found>(look: () => Found | undefined, what: string): Promise<{ found: Found; block: ObservedBlock }> {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const block = this.freshBlock();
      const found = look();
      if (found !== undefined) return { found, block };
      await this.#readMissing();
    }
    throw new OpgError("chain_unavailable", `The chain does not say what ${what} has; try again in a moment.`);
  }

  async #advance(): Promise<ObservedBlock> {
    const { head } = this.#dependencies;
    await head.advance();
    const { number, timestamp, hash } = head.newest;
    const newest: ObservedBlock = { number, timestamp, hash };
    if (hash === this.#block?.hash) return this.#block;
    const reading = this.#readDue(number);
    const timer = new AbortController();
    const timeout = sleep(ADVANCE_MS, undefined, { signal: timer.signal }).catch(() => undefined);
    const inTime = await Promise.race([reading, timeout]).finally(() => timer.abort());
    // All at once: until here the block before was what answers were given by.
    this.#source.clear();
    this.#block = newest;
    const take = (note: () => void): void => {
      if (this.#block === newest) note();
    };
    if (inTime) take(inTime);
    // Whoever asks for something that failed reads it anew, and is told why.
    else reading.then(take, () => undefined);
    return newest;
  }

  /** An endpoint that is still at the block before is not asked for more: what it would say is read when it is asked for. */
  #readDue(blockNumber: number): Promise<() => void> {
    if (this.#isReadingDue) return Promise.resolve(() => undefined);
    this.#isReadingDue = true;
    return this.#source.readDue(blockNumber).finally(() => (this.#isReadingDue = false));
  }

  #readMissing(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    // Everything that is asked for in the same turn of the event loop goes into the same call.
    await new Promise((resolve) => setImmediate(resolve));
    const block = this.freshBlock();
    const note = await this.#source.readMissing(block.number);
    if (this.#block === block) note();
  }
}
