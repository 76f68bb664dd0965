import { type Batch, batchIdOf, type BatchReceipt } from "#protocol/batch.ts";
import type { Domain } from "#protocol/typedData.ts";
import { batchContentOf, batchWith } from "#service/batchContent.ts";
import type { NewBatch } from "#store/facilitatorBatches.ts";

/** Makes a batch of receipts; with the same salts it is the same batch. */
export function makeBatch(
  receipts: readonly BatchReceipt[],
  place: Pick<Batch, "facilitator" | "previous" | "epoch">,
  settlement: Domain,
): NewBatch {
  const content = batchContentOf(receipts);
  const batch = batchWith(content, place);
  return { batchId: batchIdOf(batch, settlement), batch, receipts, leaves: content.leaves };
}
