import type { Provider } from "ethers";
import { PayerReader__factory, type PayerReader } from "#typechain/index.ts";

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

/** Wallets and words read in one call: each costs about 20k gas, and nodes allow a call 50 million. */
const MAX_PER_CALL = 1_000;

/** PayerReader: funds and used nonces of many payers at one block. */
export class PayerReaderAdapter {
  readonly #contract: PayerReader;

  constructor(address: string, provider: Provider) {
    this.#contract = PayerReader__factory.connect(address, provider);
  }

  /**
   * Reads everything asked for, as of one block and in the order of the questions.
   *
   * @throws OpgError `chain_unavailable`
   */
  async read(
    wallets: readonly WalletQuestion[],
    words: readonly WordQuestion[],
    blockNumber: number,
  ): Promise<{ funds: WalletFunds[]; bitmaps: bigint[] }> {
    const calls = Math.max(1, Math.ceil(Math.max(wallets.length, words.length) / MAX_PER_CALL));
    const parts = await Promise.all(
      Array.from({ length: calls }, (_, index) => {
        const [from, to] = [index * MAX_PER_CALL, (index + 1) * MAX_PER_CALL];
        return this.#contract.read(wallets.slice(from, to), words.slice(from, to), { blockTag: blockNumber });
      }),
    );
    return {
      funds: parts.flatMap(({ funds }) =>
        funds.map(({ balance, allowance, tokenHasCode, payerHasCode }) => ({
          balance,
          allowance,
          tokenHasCode,
          payerHasCode,
        })),
      ),
      bitmaps: parts.flatMap(({ bitmaps }) => [...bitmaps]),
    };
  }
}
