import { PayerReader__factory } from "#typechain/index.ts";
import { callAt, type Caller } from "./callAt.ts";

/** A payer's holding of one token. */
export interface WalletQuestion {
  token: string;
  payer: string;
}

/** A word of a payer's Permit2 nonces: `nonce >> 8`. */
export interface WordQuestion {
  payer: string;
  position: bigint;
}

/** What a payer can pay with; amounts in atomic units. */
export interface WalletFunds {
  balance: bigint;
  /** What Permit2 may move. */
  allowance: bigint;
  tokenHasCode: boolean;
  payerHasCode: boolean;
}

/** What was read, in the order of the questions; nothing in the place of what the chain fails to answer. */
export interface PayerReading {
  funds: (WalletFunds | undefined)[];
  bitmaps: (bigint | undefined)[];
}

/** Wallets and words read in one call: a hostile token uses up 400k gas of a wallet's, and nodes allow a call 50 million. */
const MAX_PER_CALL = 100;
/** Hex digits of a word. */
const WORD = 64;

const { selector } = PayerReader__factory.createInterface().getFunction("read");

/**
 * PayerReader: funds and used nonces of many payers at one block. Its words are written and read here by hand: ethers takes
 * 50 times as long, and thousands of them are read between two requests.
 */
export class PayerReaderAdapter {
  readonly #address: string;
  readonly #caller: Caller;

  constructor(address: string, caller: Caller) {
    this.#address = address;
    this.#caller = caller;
  }

  /**
   * Reads everything asked for, as of one block. Tokens are anybody's contracts: what makes a call fail is looked for, so that
   * only it goes without an answer.
   *
   * @throws OpgError `chain_unavailable` where the chain answers nothing at all
   */
  async read(
    wallets: readonly WalletQuestion[],
    words: readonly WordQuestion[],
    blockNumber: number,
  ): Promise<PayerReading> {
    const calls = Math.max(1, Math.ceil(Math.max(wallets.length, words.length) / MAX_PER_CALL));
    const parts = await Promise.all(
      Array.from({ length: calls }, async (_, index) => {
        const [from, to] = [index * MAX_PER_CALL, (index + 1) * MAX_PER_CALL];
        return this.#readPart(wallets.slice(from, to), words.slice(from, to), blockNumber);
      }),
    );
    return joined(parts);
  }

  async #readPart(
    wallets: readonly WalletQuestion[],
    words: readonly WordQuestion[],
    blockNumber: number,
  ): Promise<PayerReading> {
    try {
      return await this.#call(wallets, words, blockNumber);
    } catch {
      // A chain that does not answer this either is not asked for each of them.
      await this.#call([], [], blockNumber);
      return this.#readHalves(wallets, words, blockNumber);
    }
  }

  async #readHalves(
    wallets: readonly WalletQuestion[],
    words: readonly WordQuestion[],
    blockNumber: number,
  ): Promise<PayerReading> {
    if (wallets.length + words.length <= 1) {
      return { funds: wallets.map(() => undefined), bitmaps: words.map(() => undefined) };
    }
    const [wallet, word] = [Math.ceil(wallets.length / 2), Math.floor(words.length / 2)];
    const halves = [
      [wallets.slice(0, wallet), words.slice(0, word)],
      [wallets.slice(wallet), words.slice(word)],
    ] as const;
    const read = halves.map(async (half) =>
      this.#call(...half, blockNumber).catch(() => this.#readHalves(...half, blockNumber)),
    );
    return joined(await Promise.all(read));
  }

  async #call(
    wallets: readonly WalletQuestion[],
    words: readonly WordQuestion[],
    blockNumber: number,
  ): Promise<PayerReading> {
    const data = encode(wallets, words);
    return decode(await callAt(this.#caller, this.#address, data, blockNumber));
  }
}

function joined(parts: readonly PayerReading[]): PayerReading {
  return { funds: parts.flatMap(({ funds }) => funds), bitmaps: parts.flatMap(({ bitmaps }) => bitmaps) };
}

/** Both lists behind their offsets, each behind its length; all of their members are two words. */
function encode(wallets: readonly WalletQuestion[], words: readonly WordQuestion[]): string {
  const lists = [
    uint(2 * 32) + uint((3 + 2 * wallets.length) * 32),
    uint(wallets.length) + wallets.map(({ token, payer }) => address(token) + address(payer)).join(""),
    uint(words.length) + words.map(({ payer, position }) => address(payer) + uint(position)).join(""),
  ];
  return selector + lists.join("");
}

/** The answer's lists, of four words and of one word each. */
function decode(answer: string): PayerReading {
  const wordAt = (index: number): bigint => BigInt(`0x${answer.slice(2 + index * WORD, 2 + (index + 1) * WORD)}`);
  const listAt = (offset: number): { first: number; length: number } => {
    const start = Number(wordAt(offset)) / 32;
    return { first: start + 1, length: Number(wordAt(start)) };
  };
  const [funds, bitmaps] = [listAt(0), listAt(1)];
  return {
    funds: Array.from({ length: funds.length }, (_, index) => {
      const at = funds.first + 4 * index;
      const [tokenHasCode, payerHasCode] = [wordAt(at + 2) === 1n, wordAt(at + 3) === 1n];
      return { balance: wordAt(at), allowance: wordAt(at + 1), tokenHasCode, payerHasCode };
    }),
    bitmaps: Array.from({ length: bitmaps.length }, (_, index) => wordAt(bitmaps.first + index)),
  };
}

function uint(value: number | bigint): string {
  return value.toString(16).padStart(WORD, "0");
}

/** @param text - checksummed or not, `0x` and 40 digits */
function address(text: string): string {
  return text.slice(2).padStart(WORD, "0");
}
