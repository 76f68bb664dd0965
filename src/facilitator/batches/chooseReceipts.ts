import type { AccountState } from "#chain/accountReader.ts";
import { MAX_BATCH_RECEIPTS } from "#protocol/batchMessages.ts";
import type { AccountVoucher, UnsettledReceipt } from "#store/facilitatorBatches.ts";

/** About 12k gas each: a batch stays below 9 million gas, far below what a block, or EIP-7825 a transaction, may have. */
const MAX_PAYERS = 500;
const MAX_PAYEES = 200;
/** A replaced authorizer's vouchers have to count for so long still. */
const INCLUSION_SECONDS = 120;

/** A payer's account: what the chain says, and the voucher held for it. */
export interface ChargedAccount {
  facts: AccountState;
  voucher: AccountVoucher;
}

/** Why nothing more is taken from an account now. */
export type LeftOutReason = "voucher_too_low" | "balance_too_low" | "voucher_replaced";

/** What an account owes beyond what a batch can take of it. */
export interface LeftOut {
  payer: string;
  reason: LeftOutReason;
  receipts: number;
  /** Atomic units. */
  amount: bigint;
}

/** The receipts of a batch, and whom it leaves out. */
export interface ChosenReceipts {
  chosen: UnsettledReceipt[];
  leftOut: LeftOut[];
}

/**
 * Takes receipts in their order as long as their accounts cover them: within the balance and within what the voucher allows
 * beyond what was spent. Whole receipts only; what does not fit waits until the account covers it. More payers or payees
 * than a transaction has room for wait for the next batch.
 *
 * @param now - seconds since 1970
 */
export function chooseReceipts(
  receipts: readonly UnsettledReceipt[],
  accounts: ReadonlyMap<string, ChargedAccount>,
  now: number,
): ChosenReceipts {
  const chosen: UnsettledReceipt[] = [];
  const leftOut = new Map<string, LeftOut>();
  const taken = new Map<string, bigint>();
  const payees = new Set<string>();
  for (const receipt of receipts) {
    const { payer, result } = receipt;
    const sum = (taken.get(payer) ?? 0n) + result.amount;
    const reason = shortfallOf(accounts.get(payer), sum, now);
    if (reason) {
      leaveOut(leftOut, receipt, reason);
      continue;
    }
    const hasRoom = hasRoomFor(taken, payer, MAX_PAYERS) && hasRoomFor(payees, result.payout, MAX_PAYEES);
    if (!hasRoom || chosen.length === MAX_BATCH_RECEIPTS) continue;
    chosen.push(receipt);
    taken.set(payer, sum);
    payees.add(result.payout);
  }
  return { chosen, leftOut: [...leftOut.values()] };
}

/** What keeps an account from being charged `sum` more, atomic units; nothing where it covers that. */
export function shortfallOf(account: ChargedAccount | undefined, sum: bigint, now: number): LeftOutReason | undefined {
  if (!account) return "voucher_too_low";
  const { facts, voucher } = account;
  const isPrevious = voucher.voucherSigner === facts.previous && facts.previousUntil >= now + INCLUSION_SECONDS;
  if (voucher.voucherSigner !== facts.current && !isPrevious) return "voucher_replaced";
  if (facts.spent + sum > voucher.cap) return "voucher_too_low";
  return sum > facts.balance ? "balance_too_low" : undefined;
}

function hasRoomFor(known: { has: (one: string) => boolean; size: number }, one: string, most: number): boolean {
  return known.has(one) || known.size < most;
}

function leaveOut(leftOut: Map<string, LeftOut>, { payer, result }: UnsettledReceipt, reason: LeftOutReason): void {
  const { receipts, amount } = leftOut.get(payer) ?? { receipts: 0, amount: 0n };
  leftOut.set(payer, { payer, reason, receipts: receipts + 1, amount: amount + result.amount });
}
