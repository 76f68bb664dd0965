import { OpgError } from "#protocol/errors.ts";
import { batchLeaf, type BatchReceipt, batchReceiptToJson, batchToJson } from "#protocol/batch.ts";
import type { BatchProofJson } from "#protocol/batchProof.ts";
import { type BatchContent, batchContentOf } from "#service/batchContent.ts";
import { fastKeccak } from "#service/fastKeccak.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";

/** Trees of this many batches are kept, of 3 MB each at most: who asks for one proof of a batch asks for others. */
const MAX_KEPT = 8;

type KnownBatch = BatchContent & { receipts: readonly BatchReceipt[] };

/** Proofs that calls are in settled batches. */
export class BatchProofs {
  readonly #store: FacilitatorStore;
  readonly #kept = new Map<string, Promise<KnownBatch>>();

  constructor(store: FacilitatorStore) {
    this.#store = store;
  }

  /**
   * The proof of one call. Its receipt says less than the task's record, which anyone who knows the taskId may read; of other
   * calls a path shows hashes of salted receipts, and nothing else.
   *
   * @throws OpgError `unknown_task`, `not_settled_yet`, `nothing_charged`
   */
  async proofOf(taskId: string): Promise<BatchProofJson> {
    const stored = await this.#store.settledBatchOf(taskId);
    if (!stored) throw await this.#whyNot(taskId);
    const { batchId, batch } = stored;
    const [{ receipts, tree }, transaction] = await Promise.all([
      this.#contentOf(batchId),
      this.#store.transactionOfBatch(batchId),
    ]);
    const receipt = receipts.find((each) => each.taskId === taskId);
    if (!receipt) throw new OpgError("internal", "A batch has lost one of its receipts.", { taskId, batchId });
    return {
      batchId,
      batch: batchToJson(batch),
      receipt: batchReceiptToJson(receipt),
      path: tree.getProof(batchLeaf(receipt, fastKeccak)),
      transaction: transaction?.hash ?? null,
    };
  }

  async #whyNot(taskId: string): Promise<OpgError> {
    const task = await this.#store.findTask(taskId);
    if (!task) {
      const message = `Task ${taskId} is not known here; ask the facilitator that it was paid at.`;
      return new OpgError("unknown_task", message, { taskId });
    }
    const { prefunded, state, result } = task;
    if (prefunded && (state === "refunded" || (state === "settled" && result?.amount === 0n))) {
      const message = "Nothing was charged for this call, so no batch holds it; there is nothing to prove.";
      return new OpgError("nothing_charged", message, { taskId, state });
    }
    const message = prefunded
      ? "No settled batch has this call yet; ask again when one has."
      : "This call was not paid for by an account, so no batch has it; its own transactions settle it.";
    return new OpgError("not_settled_yet", message, { taskId, state });
  }

  async #contentOf(batchId: string): Promise<KnownBatch> {
    const kept = this.#kept.get(batchId) ?? this.#read(batchId);
    this.#kept.delete(batchId);
    this.#kept.set(batchId, kept);
    const [oldest] = this.#kept.size > MAX_KEPT ? this.#kept.keys() : [];
    if (oldest !== undefined) this.#kept.delete(oldest);
    return kept.catch((error: unknown) => {
      this.#kept.delete(batchId);
      throw error;
    });
  }

  async #read(batchId: string): Promise<KnownBatch> {
    const receipts = await this.#store.receiptsOf(batchId);
    return { ...batchContentOf(receipts), receipts };
  }
}
