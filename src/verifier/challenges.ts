import { hexlify } from "ethers";
import type { Clock } from "#service/clock.ts";

/** How long a node has to answer. */
export const CHALLENGE_SECONDS = 300;
/** Beyond these the oldest is forgotten. */
export const MAX_CHALLENGES = 1000;

/** Challenges given out and not answered yet; in memory only, a restarted verifier gives out new ones. */
export class Challenges {
  readonly #clock: Clock;
  readonly #randomBytes: () => Uint8Array;
  /** By challenge, the oldest first. */
  readonly #open = new Map<string, { node: string; expiresAt: number }>();

  /** @param randomBytes - 32 unpredictable bytes, each time others */
  constructor(clock: Clock, randomBytes: () => Uint8Array) {
    this.#clock = clock;
    this.#randomBytes = randomBytes;
  }

  /** A fresh challenge for a node. */
  give(node: string): string {
    const challenge = hexlify(this.#randomBytes());
    this.#open.set(challenge, { node, expiresAt: this.#clock() + CHALLENGE_SECONDS });
    const [oldest] = this.#open.keys();
    if (this.#open.size > MAX_CHALLENGES && oldest !== undefined) this.#open.delete(oldest);
    return challenge;
  }

  /** Takes back the challenges among these that were given to the node; each counts once. @returns whether one was in time */
  take(node: string, challenges: readonly string[]): boolean {
    const given = challenges.filter((challenge) => this.#open.get(challenge)?.node === node);
    const inTime = given.filter((challenge) => (this.#open.get(challenge)?.expiresAt ?? 0) >= this.#clock());
    given.forEach((challenge) => this.#open.delete(challenge));
    return inTime.length > 0;
  }
}
