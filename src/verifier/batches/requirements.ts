import { ZeroHash } from "ethers";
import type { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import type { Batch, BatchReceipt } from "#protocol/batch.ts";
import { OpgError } from "#protocol/errors.ts";
import { batchContentOf, batchWith } from "#service/batchContent.ts";
import { recoverSigner } from "#service/recoverSigner.ts";
import type { VerifierStore } from "#store/verifierStore.ts";

/** Nobody but a facilitator has verifiers look at thousands of receipts. @throws OpgError `invalid_signature`, `unknown_facilitator` */
export async function requireFacilitator(
  taskEscrow: Pick<TaskEscrowAdapter, "isFacilitator">,
  { facilitator }: Batch,
  batchId: string,
  signature: string,
): Promise<void> {
  if (recoverSigner(batchId, signature) !== facilitator) {
    const message = "The batch is not signed by the facilitator that it names, for this network.";
    throw new OpgError("invalid_signature", message, { facilitator });
  }
  if (await taskEscrow.isFacilitator(facilitator)) return;
  const message = "The facilitator that the batch names is not registered; have it registered first.";
  throw new OpgError("unknown_facilitator", message, { facilitator });
}

/** @throws OpgError `receipt_doubled` */
export function requireDistinct(receipts: readonly { taskId: string }[]): void {
  const taskIds = new Set<string>();
  for (const { taskId } of receipts) {
    if (taskIds.has(taskId)) {
      throw new OpgError("receipt_doubled", "The batch has a task's receipt twice; name each once.", { taskId });
    }
    taskIds.add(taskId);
  }
}

/** The receipts make exactly this batch. @throws OpgError `batch_mismatch`, naming what differs */
export function requireContent(batch: Batch, receipts: readonly BatchReceipt[]): void {
  const own = batchWith(batchContentOf(receipts), batch);
  const field = (["root", "debits", "credits"] as const).find((name) => own[name] !== batch[name]);
  if (field === undefined) return;
  throw new OpgError("batch_mismatch", `The receipts do not make the "${field}" that the batch names.`, { field });
}

/**
 * The batch before this one is known, and so are all before that: none of their receipts is signed again.
 *
 * @throws OpgError `batch_history_missing`, naming the one to show first
 */
export async function requireHistory(store: Pick<VerifierStore, "knowsBatch">, { previous }: Batch): Promise<void> {
  if (previous === ZeroHash || (await store.knowsBatch(previous))) return;
  const message = "The batch before this one is not known here; show its receipts first.";
  throw new OpgError("batch_history_missing", message, { previous });
}
