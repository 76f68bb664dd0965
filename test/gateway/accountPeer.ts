import { OpgError } from "#protocol/errors.ts";
import type { PrefundedPayload } from "#protocol/prefunded.ts";
import { recoverSigner } from "#protocol/signedDocument.ts";
import type { Domain } from "#protocol/typedData.ts";
import { voucherTypedData } from "#protocol/voucher.ts";

interface BookedAccount {
  cap: bigint;
  /** Of the voucher over `cap`. */
  signature: string;
  charged: bigint;
  reserved: Map<string, bigint>;
}

/** A facilitator's books of accounts, as far as a client meets them: highest voucher, charges and reservations. */
export class AccountPeer {
  readonly #domain: Domain;
  readonly #accounts = new Map<string, BookedAccount>();
  /** Caps of all vouchers that were shown, as they came. */
  readonly caps: bigint[] = [];

  constructor(domain: Domain) {
    this.#domain = domain;
  }

  /** @throws OpgError `voucher_invalid`, `voucher_required` */
  reserve(taskId: string, { task, facilitator, voucher }: PrefundedPayload): void {
    const { payer, maxAmount } = task;
    const account = this.#accountOf(payer);
    if (voucher) {
      const document = voucherTypedData({ payer, facilitator, cap: voucher.cap }, this.#domain);
      if (recoverSigner(document, voucher.signature) === undefined) throw new OpgError("voucher_invalid", "Sign it.");
      this.caps.push(voucher.cap);
      if (voucher.cap > account.cap) Object.assign(account, voucher);
    }
    const reserved = [...account.reserved.values()].reduce((sum, amount) => sum + amount, 0n);
    const { cap, charged } = account;
    const need = charged + reserved + maxAmount;
    if (need > cap) throw new OpgError("voucher_required", "Sign a higher one.", { need, cap, charged, reserved });
    account.reserved.set(taskId, maxAmount);
  }

  /** What others had the account charged. */
  charge(payer: string, amount: bigint): void {
    this.#accountOf(payer).charged += amount;
  }

  /** Ends a reservation at its charge. */
  end(taskId: string, payer: string, charge: bigint): void {
    const account = this.#accountOf(payer);
    if (account.reserved.delete(taskId)) account.charged += charge;
  }

  /** The highest voucher. */
  voucherOf(payer: string): { cap: bigint; signature: string } {
    return this.#accountOf(payer);
  }

  /** What was charged in all. */
  chargedTo(payer: string): bigint {
    return this.#accountOf(payer).charged;
  }

  #accountOf(payer: string): BookedAccount {
    const account = this.#accounts.get(payer) ?? { cap: 0n, signature: "0x", charged: 0n, reserved: new Map() };
    this.#accounts.set(payer, account);
    return account;
  }
}
