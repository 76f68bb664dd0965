import type { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { batchIdOf } from "#protocol/batch.ts";
import type { EarlierBatch } from "#protocol/batchMessages.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Domain } from "#protocol/typedData.ts";
import type { Logger } from "#service/logger.ts";
import type { VerifierStore } from "#store/verifierStore.ts";
import { requireContent, requireDistinct, requireFacilitator, requireHistory } from "./requirements.ts";

/** What the duty works with. */
export interface HistoryDutyDependencies {
  domains: { settlement: Domain };
  taskEscrow: Pick<TaskEscrowAdapter, "isFacilitator">;
  store: VerifierStore;
  logger: Logger;
}

/**
 * Takes note of batches that others have certified, so that no receipt of theirs is signed here on top of them. Whether they
 * were settled does not matter: a batch that names one of them, or one after it, cannot be settled unless they were.
 */
export class HistoryDuty {
  readonly #dependencies: HistoryDutyDependencies;

  constructor(dependencies: HistoryDutyDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * @throws OpgError `invalid_body` for another batch than the address names, `invalid_signature`, `unknown_facilitator`,
   * `receipt_doubled`, `batch_mismatch`, `batch_history_missing` where the batch before it is not known
   */
  async record(batchId: string, { batch, signature, receipts }: EarlierBatch): Promise<void> {
    const { domains, taskEscrow, store, logger } = this.#dependencies;
    if (batchIdOf(batch, domains.settlement) !== batchId) {
      throw new OpgError("invalid_body", "The batch is another one than the address names.", { batchId });
    }
    await requireFacilitator(taskEscrow, batch, batchId, signature);
    requireDistinct(receipts);
    requireContent(batch, receipts);
    await requireHistory(store, batch);
    await store.recordBatchReceipts(batchId, batch.previous, receipts);
    logger.info({ batchId, facilitator: batch.facilitator, receipts: receipts.length }, "earlier batch recorded");
  }
}
