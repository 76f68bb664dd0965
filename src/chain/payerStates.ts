import { setTimeout as sleep } from "node:timers/promises";
import type { Provider } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { ChainHead } from "./chainHead.ts";
import { type PaymentFacts, type PaymentQuestion, readContractSignature } from "./chainFacts.ts";
import { type Followed, FollowedSet } from "./followed.ts";
import type { PayerReaderAdapter, PayerReading, WalletFunds, WalletQuestion, WordQuestion } from "./payerReader.ts";

/** A payer comes back; a hundred of these are read in one call. */
const WALLET_LIMITS = { most: 20_000, blocks: 300 };
/** Of random nonces no word is ever asked for again, and those of our own clients are asked for at once. */
const WORD_LIMITS = { most: 50_000, blocks: 5 };
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

/** What the chain says about a payer, all of it at one block. */
export interface PayerState extends WalletFunds {
  block: ObservedBlock;
  nonceUsed: boolean;
}

/** What payer states are read with. */
export interface PayerStatesDependencies {
  provider: Provider;
  /** Says which block is the newest. Its own: a look must not wait for what others do about a block, nor fail with them. */
  head: Pick<ChainHead, "advance" | "newest">;
  reader: Pick<PayerReaderAdapter, "read">;
  /** Seconds since 1970. */
  clock: () => number;
  /** A newest block older than this is no evidence any more. */
  maxBlockAgeSeconds: number;
}

/**
 * Funds and nonces of active payers in memory. {@link advance} reads those that are followed again at each new block; in
 * between, a question about one of them costs no call at all, and those about others are put together. Nothing is ever put
 * together of two blocks, and a block that was replaced is read anew like any other.
 */
export class PayerStates {
  readonly #dependencies: PayerStatesDependencies;
  readonly #wallets = new FollowedSet<WalletQuestion, WalletFunds>(WALLET_LIMITS);
  readonly #words = new FollowedSet<WordQuestion, bigint>(WORD_LIMITS);
  #block: ObservedBlock | undefined;
  #advancing: Promise<ObservedBlock> | undefined;
  #reading: Promise<void> | undefined;

  constructor(dependencies: PayerStatesDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Looks for a new block and, if there is one, reads every followed payer at it.
   *
   * @returns the newest block, by which questions are answered from now on
   * @throws OpgError `chain_unavailable`
   */
  advance(): Promise<ObservedBlock> {
    this.#advancing ??= this.#advance().finally(() => (this.#advancing = undefined));
    return this.#advancing;
  }

  /**
   * A payer's funds, and whether a nonce is used, at the newest block that was seen. A payer who comes for the first time is
   * looked up at the chain's newest.
   *
   * @throws OpgError `chain_unavailable` where the chain does not answer, or its newest block is too old to go by
   */
  async stateOf({ token, payer }: WalletQuestion, nonce: bigint): Promise<PayerState> {
    const key = `${token}:${payer}`;
    if (!this.#block || !this.#wallets.has(key)) await this.advance();
    const position = nonce >> 8n;
    const { number } = this.#freshBlock();
    const wallet = this.#wallets.ask(key, { token, payer }, number);
    const word = this.#words.ask(`${payer}:${position}`, { payer, position }, number);
    for (let reads = 0; reads < MAX_READS; reads++) {
      const block = this.#freshBlock();
      const [funds, bits] = [this.#wallets.valueOf(wallet), this.#words.valueOf(word)];
      if (funds !== undefined && bits !== undefined) {
        return { ...funds, block, nonceUsed: isSet(bits, nonce) };
      }
      await this.#readMissing();
    }
    throw unread();
  }

  /**
   * Everything about a payment at the newest block that was seen. Only a payer with code is asked, about the signature. The
   * payer is followed from then on, so nobody may come here in the name of another.
   *
   * @throws OpgError `chain_unavailable`
   */
  async factsOf(question: PaymentQuestion): Promise<PaymentFacts & { block: ObservedBlock }> {
    const facts = await this.stateOf(question, question.nonce);
    if (!facts.payerHasCode) return facts;
    const { provider } = this.#dependencies;
    const contractAcceptsSignature = await readContractSignature(provider, question, facts.block.number);
    return { ...facts, contractAcceptsSignature };
  }

  /**
   * The same without a trace: for payments that were not signed by the payer's own key, but may have been by a payer with code.
   *
   * @throws OpgError `chain_unavailable`
   */
  async unfollowedFactsOf(question: PaymentQuestion): Promise<PaymentFacts & { block: ObservedBlock }> {
    const { provider, reader } = this.#dependencies;
    if (!this.#block) await this.advance();
    const block = this.#freshBlock();
    const { token, payer, nonce } = question;
    const word = { payer, position: nonce >> 8n };
    const [read, contractAcceptsSignature] = await Promise.all([
      reader.read([{ token, payer }], [word], block.number),
      readContractSignature(provider, question, block.number),
    ]);
    const [funds, bits] = [read.funds[0], read.bitmaps[0]];
    if (funds === undefined || bits === undefined) throw unread();
    const facts = { ...funds, block, nonceUsed: isSet(bits, nonce) };
    return funds.payerHasCode ? { ...facts, contractAcceptsSignature } : facts;
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
    const { head } = this.#dependencies;
    await head.advance();
    const { number, timestamp, hash } = head.newest;
    const newest: ObservedBlock = { number, timestamp, hash };
    if (hash === this.#block?.hash) return this.#block;
    const wallets = this.#wallets.dueAt(newest.number);
    const words = this.#words.dueAt(newest.number);
    const reading = this.#read(wallets, words, newest.number);
    const timer = new AbortController();
    const timeout = sleep(ADVANCE_MS, undefined, { signal: timer.signal }).catch(() => undefined);
    const inTime = await Promise.race([reading, timeout]).finally(() => timer.abort());
    // All at once: until here the block before was what answers were given by.
    this.#wallets.clear();
    this.#words.clear();
    this.#block = newest;
    const know = ({ funds, bitmaps }: PayerReading): void => {
      if (this.#block !== newest) return;
      this.#wallets.know(wallets, funds);
      this.#words.know(words, bitmaps);
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
    const [wallets, words] = [this.#wallets.missing(), this.#words.missing()];
    const { funds, bitmaps } = await this.#read(wallets, words, block.number);
    if (this.#block !== block) return;
    this.#wallets.know(wallets, funds);
    this.#words.know(words, bitmaps);
  }

  async #read(
    wallets: readonly Followed<WalletQuestion, WalletFunds>[],
    words: readonly Followed<WordQuestion, bigint>[],
    block: number,
  ): Promise<PayerReading> {
    if (wallets.length === 0 && words.length === 0) return { funds: [], bitmaps: [] };
    const ask = <Question>({ question }: { question: Question }): Question => question;
    return this.#dependencies.reader.read(wallets.map(ask), words.map(ask), block);
  }
}

function isSet(bits: bigint, nonce: bigint): boolean {
  return ((bits >> (nonce & 255n)) & 1n) === 1n;
}

function unread(): OpgError {
  return new OpgError("chain_unavailable", "The chain does not say what the payer has; try again in a moment.");
}
