import { batchReceiptToJson, batchToJson, batchTypedData } from "#protocol/batch.ts";
import { OpgError } from "#protocol/errors.ts";
import { recordedJson } from "#protocol/messages.ts";
import { domainIn } from "#protocol/network.ts";
import { signDocument } from "#protocol/signedDocument.ts";
import { httpCall } from "#service/httpCall.ts";
import type { StoredBatch } from "#store/facilitatorBatches.ts";
import type { Asked } from "./askVerifier.ts";
import type { BatchDependencies } from "./batchDependencies.ts";

const ANSWER_TIMEOUT_SECONDS = 30;

type Dependencies = Pick<BatchDependencies, "network" | "wallet" | "store" | "stopping">;

/**
 * Shows verifiers the receipts of settled batches that they were not asked about: without them they could not tell whether a
 * receipt was paid already. Which batch comes before which is known here, so that no verifier can ask in circles.
 */
export class HistoryTeacher {
  readonly #dependencies: Dependencies;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Shows a verifier a batch, and those before it that it does not know either. It takes as long as the verifier was away;
   * who asks meanwhile waits for the same.
   *
   * @throws OpgError the verifier's, `verifier_unavailable`, or `internal` for a batch that is not among our own
   */
  teach(asked: Asked, batchId: string): Promise<void> {
    const { verifier } = asked;
    const underWay =
      this.#underWay.get(verifier) ?? this.#teach(asked, batchId).finally(() => this.#underWay.delete(verifier));
    this.#underWay.set(verifier, underWay);
    return underWay;
  }

  /** Back to the newest batch that it takes, and on from there: each is shown twice at most. */
  async #teach(asked: Asked, newest: string): Promise<void> {
    const missed: StoredBatch[] = [];
    let stored = await this.#find(newest);
    while (!(await this.#show(asked, stored).then(() => true, isHistoryMissing))) {
      missed.push(stored);
      stored = await this.#find(stored.batch.previous);
    }
    for (const next of missed.reverse()) await this.#show(asked, next);
  }

  async #find(batchId: string): Promise<StoredBatch> {
    const stored = await this.#dependencies.store.findBatch(batchId);
    if (stored) return stored;
    const message = "A verifier asks for a batch that is not in this facilitator's database.";
    throw new OpgError("internal", message, { batchId });
  }

  async #show({ url }: Asked, { batchId, batch }: StoredBatch): Promise<void> {
    const { network, wallet, store, stopping } = this.#dependencies;
    const receipts = await store.receiptsOf(batchId);
    const signature = await signDocument(wallet, batchTypedData(batch, domainIn(network, "settlement")));
    await httpCall({
      method: "POST",
      url: `${url}/batches/${batchId}`,
      body: { batch: batchToJson(batch), signature, receipts: receipts.map(batchReceiptToJson) },
      answer: recordedJson,
      timeoutSeconds: ANSWER_TIMEOUT_SECONDS,
      signal: stopping,
      unavailable: "verifier_unavailable",
    });
  }
}

/** @returns false where a verifier says that it has to be shown an earlier batch first. @throws any other error */
export function isHistoryMissing(error: unknown): false {
  if (error instanceof OpgError && error.code === "batch_history_missing") return false;
  throw error;
}
