import { batchReceiptToJson, batchToJson, batchTypedData } from "#protocol/batch.ts";
import { OpgError } from "#protocol/errors.ts";
import { recordedJson } from "#protocol/messages.ts";
import { domainIn } from "#protocol/network.ts";
import { signDocument } from "#protocol/signedDocument.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Asked } from "./askVerifier.ts";
import type { BatchDependencies } from "./batchDependencies.ts";

const ANSWER_TIMEOUT_SECONDS = 30;

type Dependencies = Pick<BatchDependencies, "network" | "wallet" | "store">;

/**
 * Shows a verifier the receipts of settled batches that it was not asked about, and of those before them that it does not know
 * either: without them it could not tell whether a receipt was paid already.
 *
 * @throws OpgError the verifier's, `verifier_unavailable`, or `internal` for a batch that is not among our own
 */
export async function teachHistory(dependencies: Dependencies, asked: Asked, batchId: string): Promise<void> {
  const missing = [batchId];
  for (let next = missing.at(-1); next !== undefined; next = missing.at(-1)) {
    const earlier = await teach(dependencies, asked, next).then(() => undefined, missingBatch);
    if (earlier === undefined) missing.pop();
    else if (missing.includes(earlier)) throw unknown(earlier);
    else missing.push(earlier);
  }
}

/** The batch that an error says has to be shown first. @throws any other error */
export function missingBatch(error: unknown): string {
  const { previous } = error instanceof OpgError && error.code === "batch_history_missing" ? error.values : {};
  if (typeof previous === "string") return previous;
  throw error;
}

async function teach({ network, wallet, store }: Dependencies, { url }: Asked, batchId: string): Promise<void> {
  const [stored, receipts] = await Promise.all([store.findBatch(batchId), store.receiptsOf(batchId)]);
  if (!stored) throw unknown(batchId);
  const { batch } = stored;
  const signature = await signDocument(wallet, batchTypedData(batch, domainIn(network, "settlement")));
  await httpCall({
    method: "POST",
    url: `${url}/batches/${batchId}`,
    body: { batch: batchToJson(batch), signature, receipts: receipts.map(batchReceiptToJson) },
    answer: recordedJson,
    timeoutSeconds: ANSWER_TIMEOUT_SECONDS,
    unavailable: "verifier_unavailable",
  });
}

function unknown(batchId: string): OpgError {
  return new OpgError("internal", "A verifier asks for a batch that is not in this facilitator's database.", {
    batchId,
  });
}
