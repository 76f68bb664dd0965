import type { Provider } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { BlockFacts, type BlockFactsDependencies, type ObservedBlock } from "./blockFacts.ts";
import { type PaymentFacts, type PaymentQuestion, readContractSignature } from "./chainFacts.ts";
import { type Followed, FollowedSet } from "./followed.ts";
import type { PayerReaderAdapter, WalletFunds, WalletQuestion, WordQuestion } from "./payerReader.ts";

/** A payer comes back; a hundred of these are read in one call. */
const WALLET_LIMITS = { most: 20_000, blocks: 300 };
/** Of random nonces no word is ever asked for again, and those of our own clients are asked for at once. */
const WORD_LIMITS = { most: 50_000, blocks: 5 };

/** What the chain says about a payer, all of it at one block. */
export interface PayerState extends WalletFunds {
  block: ObservedBlock;
  nonceUsed: boolean;
}

/** What payer states are read with. */
export interface PayerStatesDependencies extends BlockFactsDependencies {
  provider: Provider;
  reader: Pick<PayerReaderAdapter, "read">;
}

/**
 * Funds and nonces of active payers in memory. {@link advance} reads those that are followed again at each new block; in
 * between, a question about one of them costs no call at all, and those about others are put together.
 */
export class PayerStates {
  readonly #provider: Provider;
  readonly #reader: PayerStatesDependencies["reader"];
  readonly #facts: BlockFacts;
  readonly #wallets = new FollowedSet<WalletQuestion, WalletFunds>(WALLET_LIMITS);
  readonly #words = new FollowedSet<WordQuestion, bigint>(WORD_LIMITS);

  constructor({ provider, reader, ...following }: PayerStatesDependencies) {
    this.#provider = provider;
    this.#reader = reader;
    this.#facts = new BlockFacts(following, {
      readDue: (blockNumber) =>
        this.#read(this.#wallets.dueAt(blockNumber), this.#words.dueAt(blockNumber), blockNumber),
      readMissing: (blockNumber) => this.#read(this.#wallets.missing(), this.#words.missing(), blockNumber),
      clear: () => {
        this.#wallets.clear();
        this.#words.clear();
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
    const key = `${token}:${payer}`;
    if (!this.#facts.block || !this.#wallets.has(key)) await this.advance();
    const position = nonce >> 8n;
    const { number } = this.#facts.freshBlock();
    const wallet = this.#wallets.ask(key, { token, payer }, number);
    const word = this.#words.ask(`${payer}:${position}`, { payer, position }, number);
    const { found, block } = await this.#facts.find(() => {
      const [funds, bits] = [this.#wallets.valueOf(wallet), this.#words.valueOf(word)];
      return funds === undefined || bits === undefined ? undefined : { ...funds, nonceUsed: isSet(bits, nonce) };
    }, "the payer");
    return { ...found, block };
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
    const contractAcceptsSignature = await readContractSignature(this.#provider, question, facts.block.number);
    return { ...facts, contractAcceptsSignature };
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

  async #read(
    wallets: readonly Followed<WalletQuestion, WalletFunds>[],
    words: readonly Followed<WordQuestion, bigint>[],
    blockNumber: number,
  ): Promise<() => void> {
    if (wallets.length === 0 && words.length === 0) return () => undefined;
    const ask = <Question>({ question }: { question: Question }): Question => question;
    const { funds, bitmaps } = await this.#reader.read(wallets.map(ask), words.map(ask), blockNumber);
    return () => {
      this.#wallets.know(wallets, funds);
      this.#words.know(words, bitmaps);
    };
  }
}

function isSet(bits: bigint, nonce: bigint): boolean {
  return ((bits >> (nonce & 255n)) & 1n) === 1n;
}
