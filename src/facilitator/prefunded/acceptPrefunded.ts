import type { z } from "zod";
import type { ObservedAccount } from "#chain/accountStates.ts";
import { refused, type Refusal } from "#facilitator/checks/check.ts";
import { checkNodeActive } from "#facilitator/checks/checkNode.ts";
import { recoverSigner } from "#service/recoverSigner.ts";
import type { ActingDependencies } from "#facilitator/dependencies.ts";
import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import type { releasedTaskJson } from "#protocol/messages.ts";
import { type SignedRelease, taskToJson } from "#protocol/task.ts";
import type { Reservation, ReservationOutcome } from "#store/prefundedReservations.ts";
import { authorizersFor, mostUnsettledSeconds } from "./authorizers.ts";
import { checkAuthority, checkPrefundedTerms } from "./checkPrefunded.ts";
import type { PrefundedPayment } from "./prefundedPayment.ts";

type ReleasedTask = z.input<typeof releasedTaskJson>;
type Attempt = { ok: true; release: SignedRelease } | Refusal;

/** What our own books alone decide. */
const ours: ReadonlySet<ErrorCode> = new Set(["task_nonce_used", "account_defaulted", "settlement_overdue"]);

/**
 * Checks a call, reserves its ceiling in the account's books and releases it: out of memory and our own database, but for one
 * question to the chain in each block about each node. The same payment again, at any time, gets the same release.
 *
 * @throws OpgError of the first check that fails, `no_active_node`, `task_nonce_used`, `voucher_required`, `account_insufficient`,
 * `account_defaulted`, `settlement_overdue`, or `chain_unavailable`
 */
export async function acceptPrefunded(
  dependencies: ActingDependencies,
  payment: PrefundedPayment,
): Promise<ReleasedTask> {
  const { clock, terms, store } = dependencies;
  const early = checkPrefundedTerms(payment, terms, clock());
  const attempt = early.ok ? await attemptTwice(dependencies, payment) : early;
  if (attempt.ok) return answer(payment, attempt.release);
  const known = await store.findTask(payment.taskId);
  // The very same bytes were checked before.
  if (known?.prefunded && known.release && known.signature === payment.signature) return answer(payment, known.release);
  throw new OpgError(attempt.code, attempt.message, attempt.values);
}

/** Nobody is refused for what the newest block has mended. */
async function attemptTwice(dependencies: ActingDependencies, payment: PrefundedPayment): Promise<Attempt> {
  const { accounts } = dependencies;
  const { payer } = payment.task;
  const remembered = await accounts.stateOf(payer);
  const first = await attempt(dependencies, payment, remembered);
  if (first.ok || ours.has(first.code)) return first;
  const newest = await accounts.advance();
  if (newest.hash === remembered.block.hash) return first;
  return attempt(dependencies, payment, await accounts.stateOf(payer));
}

async function attempt(
  dependencies: ActingDependencies,
  payment: PrefundedPayment,
  account: ObservedAccount,
): Promise<Attempt> {
  const { terms, store, accounts, activeAt, logger } = dependencies;
  const { task, taskId } = payment;
  const authorizers = authorizersFor(task, account, terms);
  const checked = checkAuthority(payment, authorizers);
  if (!checked.ok) return checked;
  const nodeActive = await activeAt(task.node, account.block);
  const allowed = checkNodeActive({ task }, { nodeActive });
  if (!allowed.ok) return allowed;
  accounts.follow(task.payer, account);
  const outcome = await store.reservePrefunded(reservationOf(dependencies, payment, account, authorizers));
  if (outcome.outcome === "reserved") {
    const { payer, maxAmount: amount } = task;
    logger.info({ taskId, payer, amount, block: account.block.number }, "call reserved");
    return { ok: true, release: outcome.release };
  }
  if (outcome.outcome === "held" && outcome.taskId === taskId && outcome.release) {
    return { ok: true, release: outcome.release };
  }
  return refusalOf(payment, account, outcome);
}

function reservationOf(
  { terms, clock, signRelease }: ActingDependencies,
  { task, taskId, signature, voucher }: PrefundedPayment,
  { balance, spent, withdrawing, block }: ObservedAccount,
  authorizers: readonly string[],
): Reservation {
  const now = clock();
  const signer = voucher && recoverSigner(voucher.digest, voucher.signature);
  return {
    ...{ taskId, task, signature, authorizers, spent, claimedBlock: block.number },
    release: signRelease(taskId, now),
    voucher: voucher && signer ? { cap: voucher.cap, signature: voucher.signature, signer } : null,
    funds: spent + balance - withdrawing,
    unsettledSince: now - mostUnsettledSeconds(terms),
  };
}

function refusalOf(
  { task }: PrefundedPayment,
  { balance, withdrawing, spent }: ObservedAccount,
  outcome: Exclude<ReservationOutcome, { outcome: "reserved" }>,
): Refusal {
  const { payer, nonce, maxAmount } = task;
  switch (outcome.outcome) {
    case "held": {
      const words = `Nonce ${nonce} of ${payer} has another task already; sign one with a number that was not used.`;
      return refused("task_nonce_used", words, { nonce, taskId: outcome.taskId });
    }
    case "overdue": {
      const words = "What was computed before waits for its settlement for too long; pay by another scheme, or later.";
      return refused("settlement_overdue", words, { certifiedAt: outcome.certifiedAt });
    }
    case "lost": {
      const { lost } = outcome;
      const words = `The account of ${payer} left ${lost} of its charges unpaid for good; pay by another scheme.`;
      return refused("account_defaulted", words, { lost });
    }
    case "uncapped": {
      const { cap, charged, reserved } = outcome;
      const need = charged + reserved + maxAmount;
      const words = `The account of ${payer} may be charged ${cap} in all and this call needs ${need}; sign a voucher over ${need} or more.`;
      return refused("voucher_required", words, { need, cap, charged, reserved });
    }
    case "uncovered": {
      const { charged, reserved } = outcome;
      const owed = charged - spent + reserved + maxAmount;
      const have = balance - withdrawing;
      const words = `The account of ${payer} holds ${balance}, of which ${withdrawing} are being withdrawn, and needs ${owed} with what is not settled yet; deposit ${owed - have}.`;
      return refused("account_insufficient", words, { need: owed, balance, withdrawing, charged, reserved, spent });
    }
  }
}

function answer({ taskId, task }: PrefundedPayment, release: SignedRelease): ReleasedTask {
  return { taskId, task: taskToJson(task), release, transactions: [] };
}
