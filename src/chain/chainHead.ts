import type { Provider } from "ethers";
import { OpgError } from "#protocol/errors.ts";

/** Deeper than chains that are used for money replace blocks; also how far a pause is caught up block by block. */
const REMEMBERED_BLOCKS = 128;

/** A block as the endpoint shows it. */
export interface HeadBlock {
  number: number;
  hash: string;
  parentHash: string;
  /** Seconds since 1970. */
  timestamp: number;
  /** Wei; 0 on a chain without EIP-1559. */
  baseFeePerGas: bigint;
  /** Hashes of its transactions, in their order. */
  transactions: readonly string[];
}

/**
 * Told of each block once. A block whose number is not above that of the one before takes the place of that number and of
 * all above it: the chain was reorganised.
 *
 * @param isGap - whether blocks between this one and the one before were left out, so that anything may have happened there
 */
export type HeadListener = (block: HeadBlock, isGap: boolean) => void | Promise<void>;

/**
 * Follows a chain's newest block for everybody in the process, with one call per look. Blocks are told in the order of the
 * chain, those that were missed between two looks included. What it knows already is not told again, so an
 * endpoint that answers from an old block for a while changes nothing.
 */
export class ChainHead {
  readonly #provider: Pick<Provider, "getBlock">;
  readonly #listeners = new Set<HeadListener>();
  /** In the order of the chain, each the parent of the next one, except after a gap. */
  #blocks: HeadBlock[] = [];
  #advancing: Promise<void> | undefined;
  #isCatchingUp = false;

  constructor(provider: Pick<Provider, "getBlock">) {
    this.#provider = provider;
  }

  /**
   * Looks for new blocks and tells them; callers at the same time share one look.
   *
   * @throws OpgError `chain_unavailable`, or what a listener threw first, after all were told
   */
  advance(): Promise<void> {
    this.#advancing ??= this.#advance().finally(() => (this.#advancing = undefined));
    return this.#advancing;
  }

  /** The newest block that was seen. */
  get newest(): HeadBlock {
    const block = this.#blocks.at(-1);
    if (!block) throw noBlock();
    return block;
  }

  /** Whether the block that is being told is not the last of those that came since the look before. */
  get isCatchingUp(): boolean {
    return this.#isCatchingUp;
  }

  /** Whether a block is one of the chain's, as far as it is remembered. */
  holds(hash: string): boolean {
    return this.#blocks.some((block) => block.hash === hash);
  }

  /**
   * Every listener is told of a block before any is told of the next one; one that fails is told of the next all the same.
   *
   * @returns ends it
   */
  onBlock(listener: HeadListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #advance(): Promise<void> {
    const newest = await this.#read("latest");
    if (this.holds(newest.hash) || newest.number < (this.#blocks[0]?.number ?? 0)) return;
    const { path, isGap } = await this.#pathTo(newest);
    const failures: unknown[] = [];
    for (const block of path) {
      this.#isCatchingUp = block !== path.at(-1);
      // Of what a gap hides nobody knows whether it was replaced.
      const kept = isGap ? [] : this.#blocks.filter(({ number }) => number < block.number);
      this.#blocks = [...kept, block].slice(-REMEMBERED_BLOCKS);
      const telling = [...this.#listeners].map(async (listener) => listener(block, isGap));
      for (const told of await Promise.allSettled(telling)) if (told.status === "rejected") failures.push(told.reason);
    }
    if (failures.length > 0) throw failures[0];
  }

  /**
   * The blocks from the first one that is new up to `newest`. What cannot be read, because endpoints have dropped it or not got
   * it yet, is left out: else nothing would be followed as long as that lasts.
   */
  async #pathTo(newest: HeadBlock): Promise<{ path: HeadBlock[]; isGap: boolean }> {
    const [oldest, last] = [this.#blocks[0], this.#blocks.at(-1)];
    const path = [newest];
    if (!oldest || !last) return { path, isGap: false };
    let first = newest;
    while (!this.holds(first.parentHash)) {
      // Replaced from before what is remembered, or too many were missed.
      const isBefore = first.number <= oldest.number;
      if (isBefore || path.length >= REMEMBERED_BLOCKS || newest.number - last.number > REMEMBERED_BLOCKS) {
        return { path: [newest], isGap: true };
      }
      const parent = await this.#read(first.parentHash).catch(() => undefined);
      if (!parent) return { path: [newest], isGap: true };
      first = parent;
      path.unshift(first);
    }
    return { path, isGap: false };
  }

  async #read(tag: string): Promise<HeadBlock> {
    const block = await this.#provider.getBlock(tag);
    if (!block?.hash) throw noBlock();
    const { number, hash, parentHash, timestamp, baseFeePerGas, transactions } = block;
    return { number, hash, parentHash, timestamp, baseFeePerGas: baseFeePerGas ?? 0n, transactions };
  }
}

function noBlock(): OpgError {
  return new OpgError("chain_unavailable", "The chain shows no newest block; try again in a moment.");
}
