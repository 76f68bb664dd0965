import { checksumAddress } from "#protocol/checksumAddress.ts";
import { PayerReader__factory } from "#typechain/index.ts";
import type { Authorizers, PrefundedAccount } from "./accounts.ts";
import { callAt, type Caller } from "./callAt.ts";

/** An account with who signs for it. */
export type AccountState = PrefundedAccount & Authorizers;

/** Accounts read in one call; each costs some 10k gas, and nodes allow a call 50 million. */
const MAX_PER_CALL = 500;
/** Hex digits of a word. */
const WORD = 64;
/** Words of an account in the answer: balance, spent, withdrawing, withdrawableAt, current, previous, previousUntil. */
const ACCOUNT_WORDS = 7;

const { selector } = PayerReader__factory.createInterface().getFunction("accountsOf");

/**
 * PayerReader: prefunded accounts of many payers at one facilitator and one block. Like what it reads of wallets, its words are
 * written and read here by hand, as ethers takes many times as long.
 */
export class AccountReaderAdapter {
  readonly #address: string;
  readonly #taskEscrow: string;
  readonly #caller: Caller;

  /** @param address - PayerReader's */
  constructor(address: string, taskEscrow: string, caller: Caller) {
    this.#address = address;
    this.#taskEscrow = taskEscrow;
    this.#caller = caller;
  }

  /**
   * Accounts in the order of `payers`; all zero for one that never was, its payer as its authorizer.
   *
   * @throws OpgError `chain_unavailable`
   */
  async read(facilitator: string, payers: readonly string[], blockNumber: number): Promise<AccountState[]> {
    const calls = Math.ceil(payers.length / MAX_PER_CALL);
    const parts = await Promise.all(
      Array.from({ length: calls }, async (_, index) => {
        const part = payers.slice(index * MAX_PER_CALL, (index + 1) * MAX_PER_CALL);
        const data = encode(this.#taskEscrow, facilitator, part);
        return decode(await callAt(this.#caller, this.#address, data, blockNumber));
      }),
    );
    return parts.flat();
  }
}

/** Two addresses, then the list behind its offset and its length. */
function encode(taskEscrow: string, facilitator: string, payers: readonly string[]): string {
  const head = word(taskEscrow) + word(facilitator) + uint(3 * 32) + uint(payers.length);
  return selector + head + payers.map(word).join("");
}

/** One list behind its offset and its length. */
function decode(answer: string): AccountState[] {
  const digitsAt = (index: number): string => answer.slice(2 + index * WORD, 2 + (index + 1) * WORD);
  const uintAt = (index: number): bigint => BigInt(`0x${digitsAt(index)}`);
  const addressAt = (index: number): string => checksumAddress(`0x${digitsAt(index).slice(24)}`);
  return Array.from({ length: Number(uintAt(1)) }, (_, index) => {
    const at = 2 + index * ACCOUNT_WORDS;
    return {
      balance: uintAt(at),
      spent: uintAt(at + 1),
      withdrawing: uintAt(at + 2),
      withdrawableAt: Number(uintAt(at + 3)),
      current: addressAt(at + 4),
      previous: addressAt(at + 5),
      previousUntil: Number(uintAt(at + 6)),
    };
  });
}

function uint(value: number): string {
  return value.toString(16).padStart(WORD, "0");
}

/** @param address - checksummed or not, `0x` and 40 digits */
function word(address: string): string {
  return address.slice(2).padStart(WORD, "0");
}
