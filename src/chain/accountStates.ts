import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";
import type { AccountState } from "./accountReader.ts";
import type { ChainHead } from "./chainHead.ts";
import { type Followed, FollowedSet } from "./followed.ts";
import type { ObservedBlock } from "./payerStates.ts";

/** What the chain says about an account, all of it at one block. */
export interface ObservedAccount extends AccountState {
  block: ObservedBlock;
}

/** Reads accounts at one facilitator, in the order of the payers. */
export type ReadAccounts = (payers: readonly string[], blockNumber: number) => Promise<AccountState[]>;

/** What account states are read with. */
export interface AccountStatesDependencies {
  /** Says which block is the newest. */
  head: Pick<ChainHead, "advance" | "newest">;
  read: ReadAccounts;
  /** Seconds since 1970. */
  clock: () => number;
  /** A newest block older than this is no evidence any more. */
  maxBlockAgeSeconds: number;
}

const KNOWN_LIMITS = { most: 20_000, blocks: 300 };
/** Whoever claims to be somebody's authorizer is believed by no more than these, who push out none of those that are. */
const STRANGER_LIMITS = { most: 1_000, blocks: 1 };
/** Slower reads do not keep a block from being gone by: what they would say is not known until they are done. */
const ADVANCE_MS = 2_000;
/** Tries to read something that a new block overtakes each time. */
const MAX_READS = 5;

type FollowedAccount = Followed<string, AccountState>;

/**
 * Prefunded accounts in memory, as {@link PayerStates} has wallets: {@link advance} reads those that are followed again at each
 * new block, and in between a question about one of them costs no call at all.
 */
export class AccountStates {
  readonly #dependencies: AccountStatesDependencies;
  readonly #known = new FollowedSet<string, AccountState>(KNOWN_LIMITS);
  readonly #strangers = new FollowedSet<string, AccountState>(STRANGER_LIMITS);
  #block: ObservedBlock | undefined;
  #advancing: Promise<ObservedBlock> | undefined;
  #reading: Promise<void> | undefined;

  constructor(dependencies: AccountStatesDependencies) {
    this.#dependencies = dependencies;
  }

  /** How many accounts are followed. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * Looks for a new block and, if there is one, reads every followed account at it.
   *
   * @returns the newest block, by which questions are answered from now on
   * @throws OpgError `chain_unavailable`
   */
  advance(): Promise<ObservedBlock> {
    this.#advancing ??= this.#advance().finally(() => (this.#advancing = undefined));
    return this.#advancing;
  }

  /**
   * An account at the newest block that was seen. It is followed only once {@link follow} was told so: the payer's name alone
   * is anybody's to give.
   *
   * @throws OpgError `chain_unavailable` where the chain does not answer, or its newest block is too old to go by
   */
  async stateOf(payer: string): Promise<ObservedAccount> {
    if (!this.#block) await this.advance();
    const { number } = this.#freshBlock();
    const set = this.#known.has(payer) ? this.#known : this.#strangers;
    const entry = set.ask(payer, payer, number);
    for (let reads = 0; reads < MAX_READS; reads++) {
      const block = this.#freshBlock();
      const facts = set.valueOf(entry);
      if (facts) return { ...facts, block };
      await this.#readMissing();
    }
    throw new OpgError("chain_unavailable", "The chain does not say what the account holds; try again in a moment.");
  }

  /** Follows an account whose authorizer has signed. */
  follow(payer: string, { block, ...facts }: ObservedAccount): void {
    if (this.#known.has(payer)) return;
    const entry = this.#known.ask(payer, payer, block.number);
    if (this.#block === block) this.#known.know([entry], [facts]);
  }

  #freshBlock(): ObservedBlock {
    const { clock, maxBlockAgeSeconds } = this.#dependencies;
    const block = this.#block;
    if (block && clock() - block.timestamp <= maxBlockAgeSeconds) return block;
    throw new OpgError(
      "chain_unavailable",
      `The newest block seen is ${block ? clock() - block.timestamp : "unknown"} seconds old; try again in a moment.`,
      { block: block?.number, maxBlockAgeSeconds },
    );
  }

  async #advance(): Promise<ObservedBlock> {
    const { head, read } = this.#dependencies;
    await head.advance();
    const { number, timestamp, hash } = head.newest;
    const newest: ObservedBlock = { number, timestamp, hash };
    if (hash === this.#block?.hash) return this.#block;
    this.#strangers.dueAt(number);
    const due = this.#known.dueAt(number);
    const reading = due.length > 0 ? read(due.map(payerOf), number) : Promise.resolve([]);
    const timer = new AbortController();
    const timeout = sleep(ADVANCE_MS, undefined, { signal: timer.signal }).catch(() => undefined);
    const inTime = await Promise.race([reading, timeout]).finally(() => timer.abort());
    // All at once: until here the block before was what answers were given by.
    this.#known.clear();
    this.#strangers.clear();
    this.#block = newest;
    const know = (facts: readonly AccountState[]): void => {
      if (this.#block === newest) this.#known.know(due, facts);
    };
    if (inTime) know(inTime);
    // Whoever asks for something that failed reads it anew, and is told why.
    else reading.then(know, () => undefined);
    return newest;
  }

  /** Reads, in one call for all who wait, what was asked for but is not known yet. */
  #readMissing(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    // Everything that is asked for in the same turn of the event loop goes into the same call.
    await new Promise((resolve) => setImmediate(resolve));
    const block = this.#freshBlock();
    const [known, strangers] = [this.#known.missing(), this.#strangers.missing()];
    const facts = await this.#dependencies.read([...known, ...strangers].map(payerOf), block.number);
    if (this.#block !== block) return;
    this.#known.know(known, facts.slice(0, known.length));
    this.#strangers.know(strangers, facts.slice(known.length));
  }
}

const payerOf = ({ question }: FollowedAccount): string => question;
