import { hexlify } from "ethers";

/** Fills an array with random bytes, as `crypto.getRandomValues` does. */
export type RandomBytes = (length: number) => Uint8Array;

const BITS_PER_WORD = 256n;

/**
 * Hands out Permit2 nonces. Permit2 keeps one bit per nonce, 256 of them in a storage word: nonces in the same word cost
 * far less gas than random ones. The word is random, so that two clients of one payer do not meet.
 */
export class NonceAllocator {
  readonly #randomBytes: RandomBytes;
  #word = 0n;
  #nextBit = BITS_PER_WORD;

  constructor(randomBytes: RandomBytes) {
    this.#randomBytes = randomBytes;
  }

  /** A nonce that this allocator has never given. */
  next(): bigint {
    if (this.#nextBit === BITS_PER_WORD) {
      this.#word = BigInt(hexlify(this.#randomBytes(31)));
      this.#nextBit = 0n;
    }
    return this.#word * BITS_PER_WORD + this.#nextBit++;
  }
}
