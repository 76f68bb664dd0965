import { hexlify } from "ethers";
import type { ClientState, StateContent } from "./clientState.ts";
import type { RandomBytes } from "./fetch.ts";

const NONCES_PER_WORD = 256;
const BITS_OF_WORD = 8n;
const BYTES_OF_WORD = 31;
/** Nonces that one client takes at a time: few enough to be lost with a process, many enough to ask the state seldom. */
const BLOCK = 16;

interface Block {
  /** First nonce that is left. */
  next: bigint;
  left: number;
}

/**
 * Hands out Permit2 nonces. Permit2 keeps one bit per nonce, 256 of them in a storage word: nonces in the same word cost
 * far less gas than random ones. All clients on one state share a word and take blocks of it; the word is random, so that
 * clients that know nothing of each other do not meet.
 */
export class NonceAllocator {
  readonly #state: ClientState;
  readonly #randomBytes: RandomBytes;
  readonly #blocks = new Map<string, Promise<Block>>();

  constructor(state: ClientState, randomBytes: RandomBytes) {
    this.#state = state;
    this.#randomBytes = randomBytes;
  }

  /**
   * A nonce that nobody on this state has had.
   *
   * @param account - chain and payer: Permit2 counts each apart
   */
  async next(account: string): Promise<bigint> {
    const before = this.#blocks.get(account) ?? Promise.resolve({ next: 0n, left: 0 });
    const taken = before.catch(() => ({ next: 0n, left: 0 })).then((block) => this.#take(account, block));
    const rest = taken.then(({ next, left }) => ({ next: next + 1n, left: left - 1 }));
    rest.catch(() => undefined);
    this.#blocks.set(account, rest);
    return (await taken).next;
  }

  async #take(account: string, block: Block): Promise<Block> {
    if (block.left > 0) return block;
    const word = BigInt(hexlify(this.#randomBytes(BYTES_OF_WORD)));
    return { next: await this.#state.update((content) => reserveBlock(content, account, word)), left: BLOCK };
  }
}

/** Takes the next block of the account's word, or the first of `newWord` where that one is used up. */
function reserveBlock(
  content: StateContent,
  account: string,
  newWord: bigint,
): { content: StateContent; value: bigint } {
  const known = content.nonces.find((word) => word.account === account);
  const { word, next } = known && known.next < NONCES_PER_WORD ? known : { word: newWord, next: 0 };
  const others = content.nonces.filter((other) => other.account !== account);
  return {
    content: { ...content, nonces: [...others, { account, word, next: next + BLOCK }] },
    value: (word << BITS_OF_WORD) + BigInt(next),
  };
}
