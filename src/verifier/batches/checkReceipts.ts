import type { BatchReceipt } from "#protocol/batch.ts";
import type { ReceiptRefusalReason, RefusedReceipt, ShownReceipt } from "#protocol/batchMessages.ts";
import { recoverSigner } from "#service/recoverSigner.ts";
import type { JudgedTask } from "#store/verifierBatches.ts";

/** What stands behind a receipt, by the own verdict or by a quorum's certificate. */
export type KnownTask = Omit<JudgedTask, "taskId" | "reason">;

/** Recovering a thousand signatures takes 50 ms: that long nobody else is answered. */
const RECEIPTS_AT_ONCE = 1_000;

/** The receipts as they stand in the tree, and those that are not to be signed. */
export interface CheckedReceipts {
  receipts: BatchReceipt[];
  refused: RefusedReceipt[];
}

/** What receipts are held against. */
export interface ReceiptFacts {
  /** The batch's. */
  facilitator: string;
  /** By taskId: what is known of it, or why nothing is. */
  tasks: ReadonlyMap<string, KnownTask | ReceiptRefusalReason>;
  /** By payer: whose signatures count for its account, checksummed. */
  authorizers: ReadonlyMap<string, readonly string[]>;
}

/**
 * What this verifier knows of a shown task, or why it knows nothing. Its own refusal of the result counts for more than any
 * certificate; of a result that it did not judge a certificate convinces it.
 *
 * @param certified - what the certificate that came along shows; nothing where none came or it is none
 */
export function knownTask(
  { resultHash, certificate }: ShownReceipt,
  judged: JudgedTask | undefined,
  certified: KnownTask | undefined,
): KnownTask | ReceiptRefusalReason {
  if (judged?.resultHash === resultHash) return judged.reason === null ? judged : "result_refused";
  if (!certificate) return "certificate_required";
  return certified ?? "certificate_invalid";
}

/** Holds every receipt against what is known of its task and its payer's account. */
export async function checkReceipts(shown: readonly ShownReceipt[], facts: ReceiptFacts): Promise<CheckedReceipts> {
  const checked: CheckedReceipts = { receipts: [], refused: [] };
  for (const [index, receipt] of shown.entries()) {
    if (index > 0 && index % RECEIPTS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
    const outcome = checkReceipt(receipt, facts);
    if (typeof outcome === "string") checked.refused.push({ taskId: receipt.taskId, reason: outcome });
    else checked.receipts.push(outcome);
  }
  return checked;
}

function checkReceipt(
  { taskId, salt, signature }: ShownReceipt,
  { facilitator, tasks, authorizers }: ReceiptFacts,
): BatchReceipt | ReceiptRefusalReason {
  const known = tasks.get(taskId) ?? "certificate_required";
  if (typeof known === "string") return known;
  const { payer, payout, amount, resultHash, paymentDigest } = known;
  if (known.facilitator !== facilitator) return "other_facilitator";
  if (paymentDigest !== taskId) return "not_prefunded";
  const signer = recoverSigner(taskId, signature);
  if (signer === undefined || !authorizers.get(payer)?.includes(signer)) return "not_authorized";
  return { salt, taskId, resultHash, payer, payout, amount };
}
