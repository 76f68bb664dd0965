import { ZeroAddress } from "ethers";
import type { Call } from "#chain/call.ts";
import { Permit2Adapter } from "#chain/permit2.ts";
import type { CapturedPayment } from "#chain/settlement.ts";
import { CallReverted } from "#chain/submitCall.ts";
import { domainIn } from "#protocol/network.ts";
import { resultHashOf } from "#protocol/result.ts";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import type { TaskState } from "#protocol/task.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import type { StoredTransaction } from "#store/facilitatorTransactions.ts";
import { certificateOf } from "./certificateOf.ts";
import { isOverdue } from "./chainTime.ts";
import type { Dependencies } from "./dependencies.ts";
import { lossOf } from "./lossOf.ts";
import type { SentTransaction } from "./outbox.ts";
import { recordEnding, recordEndingOnChain } from "./recordEnding.ts";
import type { SenderRule } from "./signers.ts";

type Step = { purpose: TransactionPurpose; call: Call; sender?: SenderRule };
type SentStep = SentTransaction & { purpose: TransactionPurpose };

/** What ends a task, by where it stands. */
const closingPurposes: Partial<Record<TaskState, readonly TransactionPurpose[]>> = {
  certified: ["settle", "capture"],
  refused: ["refuse", "refund"],
  expired: ["refund"],
};

/**
 * Brings tasks to their end: a certificate is settled, refusals are sent, what is overdue is refunded. Without a lock a
 * certificate is captured, there is nothing to refund, and a charge that cannot be captured any more is a loss.
 */
export class TaskCloser {
  readonly #dependencies: Dependencies;
  readonly #closing = new Set<string>();

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Takes the next step that a task's state asks for. Resolves when its transaction is on its way, or none is needed;
   * the end is recorded later, by itself. May be called at any time and any number of times, by any process.
   *
   * @throws OpgError `chain_unavailable`
   */
  async close(taskId: string): Promise<void> {
    if (this.#closing.has(taskId)) return;
    this.#closing.add(taskId);
    const sent = await this.#submit(taskId).catch((error: unknown) => {
      this.#closing.delete(taskId);
      throw error;
    });
    this.#finish(taskId, sent)
      .catch((error: unknown) => {
        this.#dependencies.logger.warn({ err: error, taskId }, "the end of a task is not known yet");
      })
      .finally(() => this.#closing.delete(taskId));
  }

  async #submit(taskId: string): Promise<SentStep | undefined> {
    const stored = await this.#dependencies.store.findTask(taskId);
    // A batch ends what an account pays for.
    if (!stored || stored.prefunded) return undefined;
    const isLocked = await this.#isLocked(stored);
    const isLate = await this.#isLate(stored, isLocked);
    const pending = isLate ? undefined : pendingIn(stored);
    if (pending) return { ...(await this.#dependencies.outbox.resume(pending)), purpose: pending.purpose };
    // Looked for last: an end that came before these answers must not be missed.
    if (await recordEndingOnChain(this.#dependencies, stored)) return undefined;
    const current = isLate ? await this.#expire(stored, isLocked) : stored;
    const isOver = current.state === "expired" || current.state === "refused";
    if (isOver && !isLocked) {
      await recordEnding(this.#dependencies, current, "refunded");
      return undefined;
    }
    const step = await this.#nextStep(current, isLocked);
    return step && this.#send(taskId, step);
  }

  /** What was to go without a lock may have been opened by another signer of our entry. */
  async #isLocked({ taskId, unlocked }: StoredTask): Promise<boolean> {
    return !unlocked || (await this.#dependencies.escrow.lockOf(taskId)).status === "open";
  }

  /** Whether nobody can settle it any more: its time is over, or what would pay for it is used up. */
  async #isLate(stored: StoredTask, isLocked: boolean): Promise<boolean> {
    const { state, task } = stored;
    if (state !== "released" && state !== "certified") return false;
    if (await isOverdue(this.#dependencies, task)) return true;
    // It may be our own capture that has used the nonce up: how that ends is found out first.
    if (state === "released" || isLocked || pendingIn(stored)) return false;
    return new Permit2Adapter(this.#dependencies.provider).isNonceUsed(task.payer, task.nonce);
  }

  async #expire(stored: StoredTask, isLocked: boolean): Promise<StoredTask> {
    const { store, logger } = this.#dependencies;
    const { taskId, task, state, result } = stored;
    const isOwed = state === "certified" && result !== null && result.amount > 0n;
    const isLost = isOwed && (!isLocked || stored.reorged);
    const loss = isLost ? await lossOf(this.#dependencies, stored, result) : undefined;
    await store.recordExpiry(taskId, loss);
    if (loss) logger.error({ taskId, payer: task.payer, amount: result?.amount, reason: loss.reason }, "charge lost");
    return { ...stored, state: "expired" };
  }

  async #nextStep(stored: StoredTask, isLocked: boolean): Promise<Step | undefined> {
    const { escrow, settlement, network } = this.#dependencies;
    const { task, state, result, nodeSignature, verdicts } = stored;
    const refund = { purpose: "refund" as const, call: escrow.populateRefund(task) };
    if (state === "expired") return refund;
    if (!result) return undefined;
    const resultHash = resultHashOf(result, domainIn(network, "settlement"));
    if (state === "certified" && nodeSignature !== null) {
      const certificate = certificateOf(verdicts, { resultHash, agrees: true });
      if (!isLocked) {
        const payment = this.#paymentOf(stored);
        const call = settlement.populateCapture(task, result, nodeSignature, certificate, payment);
        return { purpose: "capture", call, sender: "signer" };
      }
      return { purpose: "settle", call: settlement.populateSettle(task, result, nodeSignature, certificate) };
    }
    if (state !== "refused") return undefined;
    if (await isOverdue(this.#dependencies, task)) return refund;
    const refusals = certificateOf(verdicts, { resultHash, agrees: false });
    return { purpose: "refuse", call: settlement.populateRefuse(task, result, refusals) };
  }

  #paymentOf({ validAfter, signature }: StoredTask): CapturedPayment {
    // Only a lock that a reorganisation took away is captured under a payment by the task itself.
    const facilitator = validAfter === null ? ZeroAddress : this.#dependencies.terms.facilitator;
    return { facilitator, validAfter: validAfter ?? 0n, signature };
  }

  async #send(taskId: string, { purpose, call, sender = "anyone" }: Step): Promise<SentStep | undefined> {
    const { store, outbox, logger } = this.#dependencies;
    try {
      return { ...(await outbox.send(taskId, purpose, call, { sender })), purpose };
    } catch (error) {
      if (!(error instanceof CallReverted)) throw error;
      const current = await store.findTask(taskId);
      const isClosed = current !== undefined && (await recordEndingOnChain(this.#dependencies, current));
      if (!isClosed)
        logger.warn({ taskId, purpose, reason: error.revert?.words }, "the contract refuses, trying again");
      return undefined;
    }
  }

  async #finish(taskId: string, sent: SentStep | undefined): Promise<void> {
    if (!sent) return;
    const { status } = await sent.ended;
    const stored = await this.#dependencies.store.findTask(taskId);
    if (!stored) return;
    const isPaid = sent.purpose === "settle" || sent.purpose === "capture";
    if (status === "included") await recordEnding(this.#dependencies, stored, isPaid ? "settled" : "refunded");
    else await recordEndingOnChain(this.#dependencies, stored);
  }
}

/** What is on its way already; its end is waited for, so that task and transaction are recorded together. */
function pendingIn({ state, transactions }: StoredTask): StoredTransaction | undefined {
  return transactions.find(({ status, purpose }) => status === "sent" && closingPurposes[state]?.includes(purpose));
}
