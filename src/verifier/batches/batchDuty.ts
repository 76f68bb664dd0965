import type { Wallet } from "ethers";
import type { AccountState } from "#chain/accountReader.ts";
import type { BatchesAdapter } from "#chain/batches.ts";
import type { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import type { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { type Batch, batchIdOf, batchTypedData } from "#protocol/batch.ts";
import type { BatchAnswer, BatchRequest, RefusedReceipt, ShownReceipt } from "#protocol/batchMessages.ts";
import { OpgError } from "#protocol/errors.ts";
import { signDocument } from "#protocol/signedDocument.ts";
import type { Domain } from "#protocol/typedData.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { VerifierStore } from "#store/verifierStore.ts";
import type { EpochSets } from "#verifier/epochSets.ts";
import { checkCertificate, type Quorum } from "./checkCertificate.ts";
import { checkReceipts, type CheckedReceipts, knownTask } from "./checkReceipts.ts";
import { requireContent, requireDistinct, requireFacilitator, requireHistory } from "./requirements.ts";

/** What the duty works with. */
export interface BatchDutyDependencies {
  wallet: Wallet;
  domains: { taskEscrow: Domain; settlement: Domain };
  taskEscrow: Pick<TaskEscrowAdapter, "isFacilitator">;
  batches: Pick<BatchesAdapter, "headOf">;
  readAccounts: (facilitator: string, payers: readonly string[]) => Promise<AccountState[]>;
  verifierSet: VerifierSetAdapter;
  epochSets: EpochSets;
  store: VerifierStore;
  clock: Clock;
  logger: Logger;
}

/**
 * Certifies batches: makes the batch anew from the receipts that it knows to be right, and signs what it can reproduce. A receipt
 * is signed in any number of batches, but in none on top of one that it is in: each batch can follow no other than the one
 * that it names, so of all that have the receipt one at most can be settled, whatever the chain says and however late.
 */
export class BatchDuty {
  readonly #dependencies: BatchDutyDependencies;

  constructor(dependencies: BatchDutyDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * @returns the signature, or all receipts that it does not sign and why; then nothing is signed
   * @throws OpgError `invalid_signature` or `unknown_facilitator` before anything is looked at, `receipt_doubled`,
   * `batch_history_missing`, `certificate_incomplete` where this verifier has no word in the batch's epoch, `batch_mismatch`,
   * `batch_stale`
   */
  async certify({ batch, signature, receipts: shown }: BatchRequest): Promise<BatchAnswer> {
    const { wallet, domains, taskEscrow, store, logger } = this.#dependencies;
    const batchId = batchIdOf(batch, domains.settlement);
    await requireFacilitator(taskEscrow, batch, batchId, signature);
    requireDistinct(shown);
    await requireHistory(store, batch);
    const taskIds = shown.map(({ taskId }) => taskId);
    const quorums = await this.#quorumsFor(batch.epoch);
    const { receipts, refused } = await this.#check(batch.facilitator, shown, taskIds, quorums);
    if (refused.length === 0) {
      requireContent(batch, receipts);
      // Before it is signed: who comes with a batch on top of this one finds its receipts here.
      await store.recordBatchReceipts(batchId, batch.previous, receipts);
    }
    await this.#requireHead(batch);
    const settled = await this.#settledBefore(batch, taskIds);
    const objections = new Map([...refused, ...settled].map((objection) => [objection.taskId, objection]));
    if (objections.size > 0) return this.#refuse(batchId, [...objections.values()]);
    logger.info({ batchId, facilitator: batch.facilitator, receipts: receipts.length }, "batch signed");
    return {
      verifier: wallet.address,
      signature: await signDocument(wallet, batchTypedData(batch, domains.settlement)),
    };
  }

  /** The sets whose word counts now: in `epoch` this verifier has to be one of them. */
  async #quorumsFor(epoch: bigint): Promise<Quorum[]> {
    const { wallet, verifierSet, epochSets, clock } = this.#dependencies;
    const current = await verifierSet.currentEpoch();
    const quorums = [await epochSets.get(current), await epochSets.get(current - 1n)].filter(
      (set) => set !== undefined,
    );
    const set = quorums.find((quorum) => quorum.epoch === epoch);
    const isOver = async (): Promise<boolean> => {
      if (epoch === current) return false;
      const [{ endedAt }, graceSeconds] = await Promise.all([verifierSet.epoch(epoch), verifierSet.graceSeconds()]);
      return clock() > endedAt + graceSeconds;
    };
    if (set?.members.includes(wallet.address) && !(await isOver())) return quorums;
    throw new OpgError("certificate_incomplete", "This verifier's word does not count in the batch's epoch.", {
      epoch,
      current,
    });
  }

  async #check(
    facilitator: string,
    shown: readonly ShownReceipt[],
    taskIds: readonly string[],
    quorums: readonly Quorum[],
  ): Promise<CheckedReceipts> {
    const { domains, store, readAccounts, clock } = this.#dependencies;
    const judged = await store.judgedTasks(taskIds);
    const terms = { ...domains, quorums };
    const tasks = new Map(
      shown.map((receipt) => {
        const own = judged.get(receipt.taskId);
        return [receipt.taskId, knownTask(receipt, own, checkCertificate(receipt, terms))];
      }),
    );
    const payers = [...new Set([...tasks.values()].flatMap((known) => (typeof known === "string" ? [] : known.payer)))];
    const accounts = await readAccounts(facilitator, payers);
    const authorizers = new Map(accounts.map((account, index) => [payers[index] ?? "", signersOf(account, clock())]));
    return checkReceipts(shown, { facilitator, tasks, authorizers });
  }

  async #requireHead({ facilitator, previous }: Batch): Promise<void> {
    const head = await this.#dependencies.batches.headOf(facilitator);
    if (head === previous) return;
    throw new OpgError("batch_stale", "The facilitator's last batch is another one than this batch names.", {
      previous,
      head,
    });
  }

  /** What was settled before a batch is what the batch that it names has, and all before that. */
  async #settledBefore({ previous }: Batch, taskIds: readonly string[]): Promise<RefusedReceipt[]> {
    const settled = await this.#dependencies.store.settledUpTo(previous, taskIds);
    return settled.map((taskId) => ({ taskId, reason: "already_settled" }));
  }

  #refuse(batchId: string, refused: RefusedReceipt[]): BatchAnswer {
    const { wallet, logger } = this.#dependencies;
    logger.info({ batchId, refused: refused.length, reason: refused[0]?.reason }, "batch not signed");
    return { verifier: wallet.address, refused };
  }
}

/** A replaced authorizer's signatures count for a while. */
function signersOf({ current, previous, previousUntil }: AccountState, now: number): string[] {
  return previousUntil >= now ? [current, previous] : [current];
}
