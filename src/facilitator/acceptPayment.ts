import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import type { releasedTaskJson } from "#protocol/messages.ts";
import { domainIn } from "#protocol/network.ts";
import { taskIdOf, taskToJson } from "#protocol/task.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import type { Holding } from "#store/taskClaims.ts";
import { requirePassed } from "./checks/check.ts";
import { nonceTaken, sponsorshipOf } from "./checks/checkFunds.ts";
import { checkPayment, checkPaymentTerms } from "./checks/checkPayment.ts";
import { needsPermit } from "./checks/checkSponsorship.ts";
import type { PaymentFacts, TaskPayment } from "./checks/payment.ts";
import type { ActingDependencies } from "./dependencies.ts";
import { taskPaymentFacts } from "./paymentFacts.ts";
import { findPinned, requireSameRequest, whenDecided } from "./pinnedTask.ts";
import type { Opening } from "./taskOpener.ts";
import { transactionsToJson } from "./taskRecord.ts";

/** How long a caller waits for the lock; the task goes on without the caller. */
const OPEN_TIMEOUT_SECONDS = 60;

type ReleasedTask = z.input<typeof releasedTaskJson>;

/**
 * Checks a payment, claims its authorization, makes sure of the money and releases the task. The same authorization again,
 * at the same time or at any time later, gets the same release; so does another one of the payer's with the same
 * payment-identifier.
 *
 * @throws OpgError of the first check that fails, `allowance_sponsoring`, `payment_identifier_conflict`, `open_failed`,
 * `chain_unavailable`, or `timeout`
 */
export async function acceptPayment(dependencies: ActingDependencies, payment: TaskPayment): Promise<ReleasedTask> {
  const { terms, clock, opener, network } = dependencies;
  const endMs = Date.now() + OPEN_TIMEOUT_SECONDS * 1000;
  const pinned = await findPinned(dependencies, payment);
  if (pinned) {
    if (pinned.state === "claimed") await atMost(endMs, opener.finish(pinned.taskId));
    const decided = await whenDecided(dependencies, pinned.taskId, endMs);
    // A claim that was rejected has given the nonce back, and the payment is one like any other.
    if (decided.state !== "rejected") return answer(decided);
  }
  requirePassed(checkPaymentTerms(payment, terms, clock()));
  const taskId = taskIdOf(payment.task, domainIn(network, "taskEscrow"));
  const { facts, holding } = await checkedFacts(dependencies, payment, taskId);
  if (holding) return answerOfHolder(dependencies, payment, holding, endMs);

  const outcome = await atMost(endMs, opener.open(openingOf(payment, taskId, facts, terms.exposureCap)));
  // What else the payer owes has grown since it was read.
  if (outcome?.outcome === "uncovered") return acceptPayment(dependencies, payment);
  if (outcome?.outcome === "sponsoring") throw sponsoring(payment);
  if (outcome?.outcome === "held") return answerOfHolder(dependencies, payment, outcome, endMs);
  return answer(await whenDecided(dependencies, taskId, endMs));
}

/** Nobody is refused for what the newest block has mended. @throws OpgError of the first check that fails there */
async function checkedFacts(dependencies: ActingDependencies, payment: TaskPayment, taskId: string) {
  const { terms, clock, payers } = dependencies;
  const remembered = await taskPaymentFacts(dependencies, payment, taskId);
  if (checkPayment(payment, terms, remembered.facts, clock()).ok) return remembered;
  await payers.advance();
  const newest = await taskPaymentFacts(dependencies, payment, taskId);
  requirePassed(checkPayment(payment, terms, newest.facts, clock()));
  return newest;
}

/** What an earlier use of the nonce or the identifier was answered, unless it was none of this payment. */
async function answerOfHolder(
  dependencies: ActingDependencies,
  payment: TaskPayment,
  holding: Pick<Holding, "by" | "holder">,
  endMs: number,
): Promise<ReleasedTask> {
  await requireSamePayment(dependencies, payment, holding);
  const decided = await whenDecided(dependencies, holding.holder, endMs);
  const isFree = decided.state === "rejected" && holding.by === "identifier";
  return isFree ? acceptPayment(dependencies, payment) : answer(decided);
}

function sponsoring({ task }: TaskPayment): OpgError {
  return new OpgError(
    "allowance_sponsoring",
    "Another EIP-2612 permit of this payer is being submitted; send the same payment again in a moment.",
    { payer: task.payer },
  );
}

function openingOf(payment: TaskPayment, taskId: string, facts: PaymentFacts, exposureCap: bigint): Opening {
  const { authorization, permit, task, digest, signature, identifier } = payment;
  const isUpto = payment.scheme === "upto";
  const sponsorship = sponsorshipOf(payment, facts);
  const isOpen = facts.lock === "open";
  const isSponsored = !isOpen && needsPermit(sponsorship) && typeof permit !== "string";
  const allowance = isSponsored ? permit.amount : facts.allowance;
  const funds = facts.balance < allowance ? facts.balance : allowance;
  return {
    claim: {
      ...{ taskId, task, paymentDigest: digest, signature, claimedBlock: facts.block.number },
      validAfter: isUpto ? payment.authorization.witness.validAfter : null,
      // A wallet with code can take its word on a signature back.
      unlocked: isUpto && !facts.payerHasCode && facts.lock === "none",
    },
    terms: {
      ...{ token: authorization.permitted.token, identifier, sponsored: isSponsored, cap: exposureCap },
      ...(isOpen ? {} : { funds }),
    },
    ...(isSponsored ? { sponsorship: { permit, need: sponsorship.amount + sponsorship.outstanding } } : {}),
  };
}

/** @throws OpgError unless what holds the nonce or the identifier is an earlier use of this payment */
async function requireSamePayment(
  { store }: ActingDependencies,
  payment: TaskPayment,
  { by, holder }: Pick<Holding, "by" | "holder">,
): Promise<void> {
  const stored = await store.findTask(holder);
  if (by === "nonce") {
    if (stored?.paymentDigest !== payment.digest) requirePassed(nonceTaken(payment.task.nonce));
    else requireSameRequest(payment, stored.task);
  } else if (!stored) {
    throw new OpgError(
      "payment_identifier_conflict",
      "The payment-identifier was used for a payment of another kind; choose a new one.",
      { payer: payment.task.payer },
    );
  }
}

/** The outcome of some work, or nothing when it takes longer; it goes on then. */
async function atMost<Outcome>(endMs: number, work: Promise<Outcome>): Promise<Outcome | undefined> {
  const timer = new AbortController();
  const timeout = sleep(endMs - Date.now(), undefined, { signal: timer.signal }).catch(() => undefined);
  return Promise.race([work, timeout]).finally(() => timer.abort());
}

function answer({ taskId, task, release, rejection, transactions }: StoredTask): ReleasedTask {
  if (release) return { taskId, task: taskToJson(task), release, transactions: transactionsToJson(transactions) };
  throw (
    OpgError.fromBody(rejection) ??
    new OpgError("open_failed", "The money was not locked; request a new quote and sign it.", { taskId })
  );
}
