import { setTimeout as sleep } from "node:timers/promises";
import { readPaymentFacts } from "#chain/chainFacts.ts";
import { OpgError } from "#protocol/errors.ts";
import type { ReleasedTask } from "#protocol/messages.ts";
import { domainIn } from "#protocol/network.ts";
import { paymentDigestOf } from "#protocol/payment.ts";
import { taskIdOf } from "#protocol/task.ts";
import type { Claim, StoredTask } from "#store/facilitatorTasks.ts";
import { requirePassed } from "./checks/check.ts";
import { checkPayment, checkPaymentTerms } from "./checks/checkPayment.ts";
import type { PaymentFacts, TaskPayment } from "./checks/payment.ts";
import type { ActingDependencies, Dependencies } from "./dependencies.ts";
import { transactionsToJson } from "./taskRecord.ts";

/** How long a caller waits for the lock; the task goes on without the caller. */
const OPEN_TIMEOUT_SECONDS = 60;
const POLL_SECONDS = 0.1;

/**
 * Checks a payment, claims its authorization, locks the money and releases the task. The same authorization again, at the
 * same time or later, gets the same release.
 *
 * @throws OpgError of the first check that fails, `open_failed`, `chain_unavailable`, or `timeout`
 */
export async function acceptPayment(dependencies: ActingDependencies, payment: TaskPayment): Promise<ReleasedTask> {
  const { terms, clock, opener, network } = dependencies;
  requirePassed(checkPaymentTerms(payment, terms, clock()));
  const task = payment.authorization.witness;
  const claim: Claim = {
    taskId: taskIdOf(task, domainIn(network, "taskEscrow")),
    task,
    paymentDigest: paymentDigestOf(payment.authorization, terms.chainId),
  };
  const facts = await readFacts(dependencies, payment, claim);
  requirePassed(checkPayment(payment, terms, facts, clock()));

  const outcome = await atMost(OPEN_TIMEOUT_SECONDS, opener.open(claim, payment.signature));
  if (outcome === "spent") {
    throw new OpgError(
      "permit2_invalid_nonce",
      `Nonce ${task.nonce} pays for another task already; sign again with an unused nonce.`,
      { nonce: task.nonce },
    );
  }
  return answer(await whenDecided(dependencies, claim.taskId, outcome === "known" ? OPEN_TIMEOUT_SECONDS : 0));
}

async function readFacts(dependencies: Dependencies, payment: TaskPayment, claim: Claim): Promise<PaymentFacts> {
  const { provider, escrow, store, terms } = dependencies;
  const { payer, nonce } = claim.task;
  const { signature } = payment;
  const [chainFacts, lock, holder] = await Promise.all([
    readPaymentFacts(provider, { token: terms.token, payer, nonce, digest: claim.paymentDigest, signature }),
    escrow.lockOf(claim.taskId),
    store.holderOf(payer, nonce),
  ]);
  const holding = holder === claim.taskId ? "sameTask" : "otherTask";
  return { ...chainFacts, lock: lock.status, claim: holder === undefined ? "free" : holding };
}

/** The outcome of some work, or nothing when it takes longer; it goes on then. */
async function atMost<Outcome>(seconds: number, work: Promise<Outcome>): Promise<Outcome | undefined> {
  const timer = new AbortController();
  const timeout = sleep(seconds * 1000, undefined, { signal: timer.signal }).catch(() => undefined);
  return Promise.race([work, timeout]).finally(() => timer.abort());
}

/** Waits until the claim was released or rejected, by whichever request or process made it. */
async function whenDecided({ store }: Dependencies, taskId: string, timeoutSeconds: number): Promise<StoredTask> {
  const rounds = Math.ceil(timeoutSeconds / POLL_SECONDS);
  for (let round = 0; round <= rounds; round++) {
    const stored = await store.findTask(taskId);
    if (stored && stored.state !== "claimed") return stored;
    if (round < rounds) await sleep(POLL_SECONDS * 1000);
  }
  throw new OpgError(
    "timeout",
    "The money is being locked, but no block shows it yet; send the same payment again in a moment.",
    { taskId },
  );
}

function answer({ taskId, release, rejection, transactions }: StoredTask): ReleasedTask {
  if (release) return { taskId, release, transactions: transactionsToJson(transactions) };
  throw (
    OpgError.fromBody(rejection) ??
    new OpgError("open_failed", "The money was not locked; request a new quote and sign it.", { taskId })
  );
}
