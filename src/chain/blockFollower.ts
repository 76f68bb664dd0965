import type { Provider } from "ethers";
import { searchBlocks } from "./blockRange.ts";

/** Searched again each time, for the case that a block was replaced. */
export const REREAD_BLOCKS = 12;

/** Follows a chain from a block on and searches each block once, but for the newest few. */
export class BlockFollower {
  readonly #provider: Provider;
  readonly #search: (fromBlock: number, toBlock: number) => Promise<void>;
  #nextBlock: number;
  #catchingUp: Promise<number> | undefined;

  /** @param search - must bear being run twice over a block */
  constructor(provider: Provider, fromBlock: number, search: (fromBlock: number, toBlock: number) => Promise<void>) {
    this.#provider = provider;
    this.#nextBlock = fromBlock;
    this.#search = search;
  }

  /** Searches up to the newest block; callers at the same time share one search. @returns the newest block's number */
  catchUp(): Promise<number> {
    this.#catchingUp ??= this.#advance().finally(() => {
      this.#catchingUp = undefined;
    });
    return this.#catchingUp;
  }

  async #advance(): Promise<number> {
    const toBlock = await this.#provider.getBlockNumber();
    const fromBlock = this.#nextBlock;
    await searchBlocks(this.#provider, { fromBlock, toBlock }, async (from, to) => {
      await this.#search(from, to);
      this.#nextBlock = Math.max(fromBlock, to + 1 - REREAD_BLOCKS);
      return [];
    });
    return toBlock;
  }
}
