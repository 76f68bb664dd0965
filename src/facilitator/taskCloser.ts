import type { Call } from "#chain/call.ts";
import { CallReverted } from "#chain/submitCall.ts";
import { domainIn } from "#protocol/network.ts";
import { resultHashOf } from "#protocol/result.ts";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import { certificateOf } from "./certificateOf.ts";
import { isOverdue } from "./chainTime.ts";
import type { Dependencies } from "./dependencies.ts";
import type { SentTransaction } from "./outbox.ts";
import { recordEnding, recordEndingOnChain } from "./recordEnding.ts";

/** Brings tasks to their end on chain: a certificate is settled, refusals are sent, what is overdue is refunded. */
export class TaskCloser {
  readonly #dependencies: Dependencies;
  readonly #closing = new Set<string>();

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Takes the next step that a task's state asks for. Resolves when its transaction is on its way, or none is needed;
   * the end is recorded later, by itself. May be called at any time and any number of times.
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

  async #submit(taskId: string): Promise<(SentTransaction & { purpose: TransactionPurpose }) | undefined> {
    const { store, outbox, logger } = this.#dependencies;
    const stored = await this.#expireIfOverdue(taskId);
    if (!stored || (await recordEndingOnChain(this.#dependencies, stored))) return undefined;
    const step = await this.#nextStep(stored);
    if (!step) return undefined;
    try {
      const sent = await outbox.send(taskId, step.purpose, step.call);
      return { ...sent, purpose: step.purpose };
    } catch (error) {
      if (!(error instanceof CallReverted)) throw error;
      const current = await store.findTask(taskId);
      const isClosed = current !== undefined && (await recordEndingOnChain(this.#dependencies, current));
      if (!isClosed)
        logger.warn(
          { taskId, purpose: step.purpose, reason: error.revert?.words },
          "the contract refuses, trying again",
        );
      return undefined;
    }
  }

  /** What nobody can settle any more is expired before it is refunded. */
  async #expireIfOverdue(taskId: string): Promise<StoredTask | undefined> {
    const { store } = this.#dependencies;
    const stored = await store.findTask(taskId);
    if (!stored || !["released", "certified"].includes(stored.state)) return stored;
    if (!(await isOverdue(this.#dependencies, stored.task))) return stored;
    if (await recordEndingOnChain(this.#dependencies, stored)) return undefined;
    await store.recordExpiry(taskId);
    return { ...stored, state: "expired" };
  }

  async #nextStep(stored: StoredTask): Promise<{ purpose: TransactionPurpose; call: Call } | undefined> {
    const { escrow, settlement, network } = this.#dependencies;
    const { task, state, result, nodeSignature, verdicts } = stored;
    const refund = { purpose: "refund" as const, call: escrow.populateRefund(task) };
    if (state === "expired") return refund;
    if (!result) return undefined;
    const resultHash = resultHashOf(result, domainIn(network, "settlement"));
    if (state === "certified" && nodeSignature !== null) {
      const certificate = certificateOf(verdicts, { resultHash, agrees: true });
      return { purpose: "settle", call: settlement.populateSettle(task, result, nodeSignature, certificate) };
    }
    if (state !== "refused") return undefined;
    if (await isOverdue(this.#dependencies, task)) return refund;
    const refusals = certificateOf(verdicts, { resultHash, agrees: false });
    return { purpose: "refuse", call: settlement.populateRefuse(task, result, refusals) };
  }

  async #finish(taskId: string, sent: (SentTransaction & { purpose: TransactionPurpose }) | undefined): Promise<void> {
    if (!sent) return;
    const { status } = await sent.ended;
    const stored = await this.#dependencies.store.findTask(taskId);
    if (!stored) return;
    if (status === "included")
      await recordEnding(this.#dependencies, stored, sent.purpose === "settle" ? "settled" : "refunded");
    else await recordEndingOnChain(this.#dependencies, stored);
  }
}
