import { Transaction } from "ethers";
import { decodeRevert, type Revert } from "#chain/decodeRevert.ts";
import { CallReverted } from "#chain/submitCall.ts";
import { OpgError } from "#protocol/errors.ts";
import { domainIn } from "#protocol/network.ts";
import { releaseTypedData } from "#protocol/task.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import type { Claim } from "#store/taskClaims.ts";
import type { Inclusion } from "#store/facilitatorTransactions.ts";
import type { Dependencies } from "./dependencies.ts";
import type { SentTransaction } from "./outbox.ts";
import { sponsorAllowance } from "./sponsorAllowance.ts";
import type { Opening } from "./taskOpener.ts";

/** Less than a caller waits for the lock: a task that nobody waits for any more is not to be locked, and refunded later. */
const PATIENCE_SECONDS = 45;

/**
 * Makes sure of a claimed task's money, by locking it unless the claim goes without, then releases the task; a claim whose
 * money cannot be had is rejected. Whichever it is, is in the store when the promise resolves.
 */
export async function openTask(
  dependencies: Dependencies,
  claim: Claim,
  sponsorship: Opening["sponsorship"],
): Promise<void> {
  try {
    if (sponsorship) await sponsorAllowance(dependencies, claim.taskId, sponsorship.permit, sponsorship.need);
    if (claim.unlocked) return await release(dependencies, claim);
  } catch (error) {
    if (isRefusal(error)) return reject(dependencies, claim, error);
    throw error;
  }
  return lockAndRelease(dependencies, claim);
}

async function lockAndRelease(dependencies: Dependencies, claim: Claim): Promise<void> {
  let sent: SentTransaction;
  try {
    sent = await sendOpening(dependencies, claim);
  } catch (error) {
    if (error instanceof CallReverted)
      return concludeByLock(dependencies, claim, () => Promise.resolve(openFailed(claim, error.revert)));
    if (isRefusal(error)) return reject(dependencies, claim, error);
    throw error;
  }
  const inclusion = await sent.ended;
  await conclude(dependencies, claim, inclusion);
}

/** Sends what locks a task's money. @throws like `Outbox.send` */
export function sendOpening(
  { escrow, terms, outbox }: Dependencies,
  { taskId, task, signature, validAfter }: Claim,
): Promise<SentTransaction> {
  const patience = { patienceSeconds: PATIENCE_SECONDS };
  if (validAfter === null) return outbox.send(taskId, "open", escrow.populateOpen(task, signature), patience);
  const call = escrow.populateOpenUpto(task, terms.facilitator, validAfter, signature);
  return outbox.send(taskId, "open", call, { sender: "signer", ...patience });
}

/**
 * Takes up a claim that an earlier process left behind. Without a transaction of its own nobody but the payer can have
 * locked the money, so the lock decides, also about a claim that was to go without.
 */
export async function finishOpening(dependencies: Dependencies, stored: StoredTask): Promise<void> {
  const opening = stored.transactions.findLast(({ purpose }) => purpose === "open");
  if (!opening) return concludeByLock(dependencies, stored, () => Promise.resolve(interrupted(stored)));
  const { ended } = await dependencies.outbox.resume(opening);
  await conclude(dependencies, stored, await ended);
}

async function conclude(dependencies: Dependencies, claim: Claim, inclusion: Inclusion): Promise<void> {
  if (inclusion.status === "included") return release(dependencies, claim);
  if (inclusion.blockNumber === null && !(await isLocked(dependencies, claim))) {
    // Something else took its nonce: that says nothing about the payer, so it is sent once more.
    return lockAndRelease(dependencies, claim);
  }
  const readFault = async () => openFailed(claim, await revertOf(dependencies, claim.taskId, inclusion));
  return concludeByLock(dependencies, claim, readFault);
}

/** Where that cannot be read either, the claim is left to be taken up again. */
async function isLocked({ escrow }: Dependencies, { taskId }: Claim): Promise<boolean> {
  return (await escrow.lockOf(taskId)).status === "open";
}

/**
 * Anybody may open a task: that ours did not go through says nothing, the lock does. Where even that cannot be read, the
 * claim ends for now; the same payment may come again, and then the lock is looked at first.
 */
async function concludeByLock(
  dependencies: Dependencies,
  claim: Claim,
  readFault: () => Promise<OpgError>,
): Promise<void> {
  try {
    const { status } = await dependencies.escrow.lockOf(claim.taskId);
    if (status === "open") return await release(dependencies, claim);
    return await reject(dependencies, claim, await readFault());
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    return reject(dependencies, claim, error);
  }
}

function isUnavailable(error: unknown): error is OpgError {
  return error instanceof OpgError && error.code === "chain_unavailable";
}

/** The chain does not answer, or the payer's permit took no effect: the claim ends, and the payment may come again. */
function isRefusal(error: unknown): error is OpgError {
  return isUnavailable(error) || (error instanceof OpgError && error.code === "permit2_allowance_required");
}

async function release(dependencies: Dependencies, { taskId, paymentDigest }: Claim): Promise<void> {
  const { wallet, network, clock, store, logger } = dependencies;
  const unsigned = { taskId, paymentDigest, releasedAt: clock() };
  const { domain, types, value } = releaseTypedData(unsigned, domainIn(network, "taskEscrow"));
  const signature = await wallet.signTypedData(domain, types, value);
  await store.recordRelease({ ...unsigned, facilitator: wallet.address, signature });
  logger.info({ taskId }, "task released");
}

async function reject({ store, logger }: Dependencies, { taskId }: Claim, error: OpgError): Promise<void> {
  await store.recordRejection(taskId, error.toBody());
  logger.info({ taskId, code: error.code, reason: error.values["reason"] }, "claim rejected");
}

function openFailed({ taskId, task }: Claim, revert: Revert | undefined): OpgError {
  if (revert?.name === "EntriesPaused") {
    return new OpgError("facilitator_unavailable", "The network takes no new tasks at the moment; try again later.", {
      taskId,
    });
  }
  const reason = revert?.words ?? "no reason given";
  return new OpgError(
    "open_failed",
    `The ${task.maxAmount} atomic units of the task could not be locked (${reason}); make sure that ${task.payer} holds them and has approved Permit2, then pay again.`,
    { taskId, reason, need: task.maxAmount },
  );
}

function interrupted({ taskId }: Claim): OpgError {
  return new OpgError(
    "facilitator_unavailable",
    "The facilitator was interrupted before it locked the money; send the same payment again.",
    { taskId },
  );
}

/** Runs a reverted transaction again where it failed, to hear why. */
async function revertOf(
  { provider, store }: Dependencies,
  taskId: string,
  { blockNumber }: Inclusion,
): Promise<Revert | undefined> {
  const opening = (await store.findTask(taskId))?.transactions.findLast(({ purpose }) => purpose === "open");
  if (!opening || blockNumber === null) return undefined;
  const { to, from, data } = Transaction.from(opening.raw);
  return provider.call({ to, from, data, blockTag: blockNumber }).then(() => undefined, decodeRevert);
}
