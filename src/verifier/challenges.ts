import { computeHmac, concat, dataSlice, hexlify, toBeHex } from "ethers";
import type { Clock } from "#service/clock.ts";

/** How long a node has to answer. */
export const CHALLENGE_SECONDS = 300;

const EXPIRY_BYTES = 4;
/** Expiry and randomness; the other half authenticates both, and the node. */
const HEAD_BYTES = 16;

/**
 * Challenges for admissions. A challenge carries its own expiry under the verifier's secret, so that none is kept until it
 * comes back: whoever asks for thousands crowds out nobody's. A restarted verifier has another secret and gives out new
 * ones.
 */
export class Challenges {
  readonly #clock: Clock;
  readonly #randomBytes: () => Uint8Array;
  readonly #secret: Uint8Array;
  /** Challenges that came back, with their expiry: each counts once. */
  readonly #used = new Map<string, number>();

  /** @param randomBytes - 32 unpredictable bytes, each time others */
  constructor(clock: Clock, randomBytes: () => Uint8Array) {
    this.#clock = clock;
    this.#randomBytes = randomBytes;
    this.#secret = randomBytes();
  }

  /** A fresh challenge for a node: expiry, random bytes, and a keyed hash over them and the node. */
  give(node: string): string {
    const expiry = toBeHex(this.#clock() + CHALLENGE_SECONDS, EXPIRY_BYTES);
    const random = dataSlice(hexlify(this.#randomBytes()), HEAD_BYTES + EXPIRY_BYTES);
    return this.#seal(node, concat([expiry, random]));
  }

  /** Takes back the challenges among these that were given to the node; each counts once. @returns whether one was in time */
  take(node: string, challenges: readonly string[]): boolean {
    const now = this.#clock();
    for (const [challenge, expiresAt] of this.#used) if (expiresAt < now) this.#used.delete(challenge);
    const given = challenges.filter((challenge) => challenge === this.#seal(node, dataSlice(challenge, 0, HEAD_BYTES)));
    const fresh = given.filter((challenge) => expiryOf(challenge) >= now && !this.#used.has(challenge));
    for (const challenge of fresh) this.#used.set(challenge, expiryOf(challenge));
    return fresh.length > 0;
  }

  #seal(node: string, head: string): string {
    return concat([head, dataSlice(computeHmac("sha256", this.#secret, concat([node, head])), 0, HEAD_BYTES)]);
  }
}

function expiryOf(challenge: string): number {
  return Number(dataSlice(challenge, 0, EXPIRY_BYTES));
}
