import type { Provider } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { BlockFacts, type BlockFactsDependencies, type ObservedBlock } from "./blockFacts.ts";
import { type PaymentFacts, type PaymentQuestion, readContractSignature } from "./chainFacts.ts";
import { type Followed, FollowedSet } from "./followed.ts";
import type { PayerReaderAdapter, WalletFunds, WalletQuestion, WordQuestion } from "./payerReader.ts";

/** A payer comes back; a hundred of these are read in one call. */
const WALLET_LIMITS = { most: 20_000, blocks: 300 };
/** Of other tokens than the network's, which may be contracts that cost their reader all the gas there is: two calls for each block. */
const OTHER_TOKENS_LIMITS = { most: 200, blocks: 300 };
/** Whoever has only asked is read when asked about, and pushes out nobody who has paid. */
const STRANGER_LIMITS = { most: 5_000, blocks: 20 };
/** Of random nonces no word is ever asked for again, and those of our own clients are asked for at once. */
const WORD_LIMITS = { most: 50_000, blocks: 5 };

type Wallets = FollowedSet<WalletQuestion, WalletFunds>;

/** What the chain says about a payer, all of it at one block. */
export interface PayerState extends WalletFunds {
  block: ObservedBlock;
  nonceUsed: boolean;
}

/** What payer states are read with. */
export interface PayerStatesDependencies extends BlockFactsDependencies {
  provider: Provider;
  /** The network's own token. */
  token: string;
  reader: Pick<PayerReaderAdapter, "read">;
}

/**
 * Funds and nonces of active payers in memory. {@link advance} reads those that are followed again at each new block; in
 * between, a question about one of them costs no call at all, and those about others are put together.
 */
export class PayerStates {
  readonly #provider: Provider;
  readonly #token: string;
  readonly #reader: PayerStatesDependencies["reader"];
  readonly #facts: BlockFacts;
  readonly #wallets: Wallets = new FollowedSet(WALLET_LIMITS);
  readonly #otherWallets: Wallets = new FollowedSet(OTHER_TOKENS_LIMITS);
  readonly #strangers: Wallets = new FollowedSet(STRANGER_LIMITS);
  readonly #words = new FollowedSet<WordQuestion, bigint>(WORD_LIMITS);

  constructor({ provider, token, reader, ...following }: PayerStatesDependencies) {
    this.#provider = provider;
    this.#token = token;
    this.#reader = reader;
    const followed = [this.#wallets, this.#otherWallets];
    const sets = [...followed, this.#strangers];
    this.#facts = new BlockFacts(following, {
      readDue: (blockNumber) => {
        this.#strangers.dueAt(blockNumber);
        const wallets = followed.map((set) => ({ set, entries: set.dueAt(blockNumber) }));
        return this.#read(wallets, this.#words.dueAt(blockNumber), blockNumber);
      },
      readMissing: (blockNumber) => {
        const wallets = sets.map((set) => ({ set, entries: set.missing() }));
        return this.#read(wallets, this.#words.missing(), blockNumber);
      },
      clear: () => {
        for (const set of [...sets, this.#words]) set.clear();
      },
    });
  }

  /** See {@link BlockFacts.advance}. */
  advance(): Promise<ObservedBlock> {
    return this.#facts.advance();
  }

  /**
   * A payer's funds, and whether a nonce is used, at the newest block that was seen. A payer who comes for the first time is
   * looked up at the chain's newest.
   *
   * @throws OpgError `chain_unavailable` where the chain does not answer, or its newest block is too old to go by
   */
  async stateOf({ token, payer }: WalletQuestion, nonce: bigint): Promise<PayerState> {
    const key = keyOf({ token, payer });
    const isAsked = this.#walletsOf(token).has(key) || this.#strangers.has(key);
    if (!this.#facts.block || !isAsked) await this.advance();
    const position = nonce >> 8n;
    const { number } = this.#facts.freshBlock();
    const wallets = this.#walletsOf(token).has(key) ? this.#walletsOf(token) : this.#strangers;
    const wallet = wallets.ask(key, { token, payer }, number);
    const word = this.#words.ask(`${payer}:${position}`, { payer, position }, number);
    const { found, block } = await this.#facts.find(() => {
      const [funds, bits] = [wallets.valueOf(wallet), this.#words.valueOf(word)];
      return funds === undefined || bits === undefined ? undefined : { ...funds, nonceUsed: isSet(bits, nonce) };
    }, "the payer");
    return { ...found, block };
  }

  /**
   * Has somebody's wallet read at each block from the next question on: one of whom a payment was claimed. Whoever has only
   * asked may have nothing, and any number of names.
   */
  follow(question: WalletQuestion): void {
    const key = keyOf(question);
    const wallets = this.#walletsOf(question.token);
    const block = this.#facts.block;
    if (!block || wallets.has(key) || !this.#strangers.has(key)) return;
    const wallet = wallets.ask(key, question, block.number);
    wallets.know([wallet], [this.#strangers.peek(key)]);
  }

  /**
   * Everything about a payment at the newest block that was seen. Only a payer with code is asked, about the signature. The
   * payer may be followed from then on, so nobody may come here in the name of another.
   *
   * @throws OpgError `chain_unavailable`
   */
  async factsOf(question: PaymentQuestion): Promise<PaymentFacts & { block: ObservedBlock }> {
    const facts = await this.stateOf(question, question.nonce);
    if (!facts.payerHasCode) return facts;
    const contractAcceptsSignature = await readContractSignature(this.#provider, question, facts.block.number);
    return { ...facts, contractAcceptsSignature };
  }

  /**
   * The same as far as it is in memory, at once; a nonce that nothing is known of counts as unused. For who goes on with it
   * while {@link factsOf} is on its way.
   *
   * @returns nothing where the payer's funds are not known, or its contract would have to be asked
   */
  rememberedFactsOf({ token, payer, nonce }: PaymentQuestion): (PaymentFacts & { block: ObservedBlock }) | undefined {
    const key = keyOf({ token, payer });
    const funds = this.#walletsOf(token).peek(key) ?? this.#strangers.peek(key);
    if (!this.#facts.block || funds === undefined || funds.payerHasCode) return undefined;
    const bits = this.#words.peek(`${payer}:${nonce >> 8n}`) ?? 0n;
    return { ...funds, block: this.#facts.freshBlock(), nonceUsed: isSet(bits, nonce) };
  }

  /**
   * The same without a trace: for payments that were not signed by the payer's own key, but may have been by a payer with code.
   *
   * @throws OpgError `chain_unavailable`
   */
  async unfollowedFactsOf(question: PaymentQuestion): Promise<PaymentFacts & { block: ObservedBlock }> {
    if (!this.#facts.block) await this.advance();
    const block = this.#facts.freshBlock();
    const { token, payer, nonce } = question;
    const word = { payer, position: nonce >> 8n };
    const [read, contractAcceptsSignature] = await Promise.all([
      this.#reader.read([{ token, payer }], [word], block.number),
      readContractSignature(this.#provider, question, block.number),
    ]);
    const [funds, bits] = [read.funds[0], read.bitmaps[0]];
    if (funds === undefined || bits === undefined) {
      throw new OpgError("chain_unavailable", "The chain does not say what the payer has; try again in a moment.");
    }
    const facts = { ...funds, block, nonceUsed: isSet(bits, nonce) };
    return funds.payerHasCode ? { ...facts, contractAcceptsSignature } : facts;
  }

  #walletsOf(token: string): Wallets {
    return token === this.#token ? this.#wallets : this.#otherWallets;
  }

  async #read(
    wallets: readonly { set: Wallets; entries: readonly Followed<WalletQuestion, WalletFunds>[] }[],
    words: readonly Followed<WordQuestion, bigint>[],
    blockNumber: number,
  ): Promise<() => void> {
    const ask = <Question>({ question }: { question: Question }): Question => question;
    const questions = wallets.flatMap(({ entries }) => entries.map(ask));
    if (questions.length === 0 && words.length === 0) return () => undefined;
    const { funds, bitmaps } = await this.#reader.read(questions, words.map(ask), blockNumber);
    return () => {
      let first = 0;
      for (const { set, entries } of wallets) set.know(entries, funds.slice(first, (first += entries.length)));
      this.#words.know(words, bitmaps);
    };
  }
}

const keyOf = ({ token, payer }: WalletQuestion): string => `${token}:${payer}`;

function isSet(bits: bigint, nonce: bigint): boolean {
  return ((bits >> (nonce & 255n)) & 1n) === 1n;
}
