import type { Call } from "#chain/call.ts";
import { CallReverted } from "#chain/submitCall.ts";
import { sharesOf } from "#protocol/batch.ts";
import { OpgError } from "#protocol/errors.ts";
import type { StoredBatch } from "#store/facilitatorBatches.ts";
import type { SentTransaction } from "#facilitator/outbox.ts";
import type { BatchDependencies } from "./batchDependencies.ts";

/** Brings certified batches onto the chain, and records what became of them. */
export class BatchSettler {
  readonly #dependencies: BatchDependencies;
  readonly #settling = new Set<string>();

  constructor(dependencies: BatchDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Sends a batch's transaction, unless it is on its way or the chain has the batch. The end is recorded later, by itself. May
   * be called at any time and any number of times, by any process.
   *
   * @throws OpgError `chain_unavailable`
   */
  async settle(stored: StoredBatch): Promise<void> {
    const { batchId } = stored;
    if (this.#settling.has(batchId)) return;
    this.#settling.add(batchId);
    const sent = await this.#submit(stored).catch((error: unknown) => {
      this.#settling.delete(batchId);
      throw error;
    });
    this.#finish(batchId, sent)
      .catch((error: unknown) => {
        this.#dependencies.logger.warn({ err: error, batchId }, "the end of a batch is not known yet");
      })
      .finally(() => this.#settling.delete(batchId));
  }

  /** Records that the chain has it. */
  async recordSettled(batchId: string): Promise<void> {
    await this.#dependencies.store.recordBatchSettled(batchId);
    this.#dependencies.logger.info({ batchId }, "batch settled");
  }

  async #submit(stored: StoredBatch): Promise<SentTransaction | undefined> {
    const { store, outbox, batches, network } = this.#dependencies;
    const { batchId, batch } = stored;
    const transaction = await store.transactionOfBatch(batchId);
    if (transaction) return outbox.resume(transaction);
    const head = await batches.headOf(batch.facilitator);
    if (head === batch.previous) return this.#send(stored);
    const range = { fromBlock: network.deploymentBlock };
    if (head === batchId || (await batches.settledBatch(batchId, range))) await this.recordSettled(batchId);
    else await this.#dropUnlessWaiting(stored);
    return undefined;
  }

  /** After a reorganisation the batch before it may have to be settled again first. */
  async #dropUnlessWaiting({ batchId, batch }: StoredBatch): Promise<void> {
    const previous = await this.#dependencies.store.findBatch(batch.previous);
    if (previous?.state !== "certified") await this.#drop(batchId, "stale_head");
  }

  async #send(stored: StoredBatch): Promise<SentTransaction | undefined> {
    const { outbox, logger } = this.#dependencies;
    const { batchId } = stored;
    try {
      const call = await this.#callOf(stored);
      const sent = await outbox.send(batchId, "batch", call, { sender: "signer" });
      logger.info({ batchId, hash: sent.hash }, "batch sent");
      return sent;
    } catch (error) {
      if (!(error instanceof CallReverted)) throw error;
      logger.warn({ batchId, reason: error.revert?.words }, "the contract refuses a batch; it is built anew");
      await this.#drop(batchId, error.revert?.name ?? "reverted");
      return undefined;
    }
  }

  /** With the highest vouchers of now: a certificate is about sums only. */
  async #callOf({ batchId, batch, signatures }: StoredBatch): Promise<Call> {
    const { store, batches } = this.#dependencies;
    const receipts = await store.receiptsOf(batchId);
    const debits = sharesOf(receipts.map(({ payer, amount }) => ({ account: payer, amount })));
    const credits = sharesOf(receipts.map(({ payout, amount }) => ({ account: payout, amount })));
    const vouchers = await store.vouchersOf(debits.map(({ account }) => account));
    const vouched = debits.map((debit) => {
      const voucher = vouchers.get(debit.account);
      if (!voucher) throw new OpgError("internal", "A charged account has no voucher.", { payer: debit.account });
      return { ...debit, cap: voucher.cap, signature: voucher.voucherSignature };
    });
    return batches.populateSettleBatch(batch, receipts.length, vouched, credits, signatures ?? "0x");
  }

  async #drop(batchId: string, reason: string): Promise<void> {
    await this.#dependencies.store.recordBatchDropped(batchId, reason);
    this.#dependencies.logger.info({ batchId, reason }, "batch dropped");
  }

  async #finish(batchId: string, sent: SentTransaction | undefined): Promise<void> {
    if (sent && (await sent.ended).status === "included") await this.recordSettled(batchId);
  }
}
