import { randomBytes } from "node:crypto";
import { hexlify } from "ethers";
import type { BatchReceipt } from "#protocol/batch.ts";
import { MAX_BATCH_RECEIPTS } from "#protocol/batchMessages.ts";
import { domainIn } from "#protocol/network.ts";
import { type Result, resultHasher } from "#protocol/result.ts";
import { fastKeccak } from "#service/fastKeccak.ts";
import type { StoredBatch, UnsettledReceipt } from "#store/facilitatorBatches.ts";
import { BatchCertifier } from "./batchCertifier.ts";
import type { BatchDependencies } from "./batchDependencies.ts";
import { BatchSettler } from "./batchSettler.ts";
import { chooseReceipts, type ChosenReceipts, type LeftOut } from "./chooseReceipts.ts";
import { makeBatch } from "./makeBatch.ts";
import { readChargedAccounts } from "./readChargedAccounts.ts";
import { UncoveredDuty } from "./uncoveredDuty.ts";

/** Without this pause a batch that cannot be settled would be built over and over. */
const PAUSE_SECONDS = 5;
/** In the hope that enough accounts cover what they owe, so many times the receipts of a batch are looked at. */
const MAX_LOOKS = 10;

/** When a batch is due. */
export interface BatchTerms {
  /** As soon as so many receipts wait. */
  receipts: number;
  /** As soon as one has waited so long. */
  ageSeconds: number;
}

/**
 * Settles what accounts were charged for: takes unfinished batches further, and builds the next one when it is due or somebody
 * demands it. One batch is on its way at a time: the next one names it.
 */
export class BatchDuty {
  readonly #terms: BatchTerms;
  readonly #dependencies: BatchDependencies;
  readonly #certifier: BatchCertifier;
  readonly #settler: BatchSettler;
  readonly #uncovered: UncoveredDuty;
  readonly #resultHashOf: (result: Result) => string;
  #isDemanded = false;
  /** Seconds since 1970. */
  #pausedUntil = 0;

  constructor(terms: BatchTerms, dependencies: BatchDependencies) {
    this.#terms = terms;
    this.#dependencies = dependencies;
    this.#certifier = new BatchCertifier(dependencies);
    this.#settler = new BatchSettler(dependencies);
    this.#uncovered = new UncoveredDuty(dependencies);
    this.#resultHashOf = resultHasher(domainIn(dependencies.network, "settlement"), fastKeccak);
  }

  /** Has the next batch built as soon as may be, however little there is for it. */
  demand(): void {
    this.#isDemanded = true;
    this.#pausedUntil = 0;
    this.#uncovered.demand();
  }

  /** Goes on with whatever there is. Of several processes on a database one does at a time. */
  async advance(): Promise<void> {
    const { store } = this.#dependencies;
    await store.holdIfFree("batches", async () => {
      const unfinished = await store.unfinishedBatches();
      for (const stored of unfinished) await this.#takeFurther(stored);
      if (unfinished.length > 0) return;
      await this.#uncovered.look();
      if (!(await this.#isDue())) return;
      const built = await this.#build();
      this.#isDemanded = false;
      if (built) await this.#takeFurther(built);
    });
  }

  async #takeFurther(stored: StoredBatch): Promise<void> {
    const { store, clock } = this.#dependencies;
    if (stored.state === "building" && clock() < this.#pausedUntil) return;
    const certified = stored.state === "certified" ? stored : await this.#certifier.certify(stored);
    if (certified) await this.#settler.settle(certified);
    const isDropped = (await store.findBatch(stored.batchId))?.state === "dropped";
    if (!certified || isDropped) this.#pausedUntil = clock() + PAUSE_SECONDS;
    // What was due once is due still.
    this.#isDemanded ||= isDropped;
  }

  async #isDue(): Promise<boolean> {
    const { store, clock } = this.#dependencies;
    const { receipts, ageSeconds } = this.#terms;
    const now = clock();
    if (now < this.#pausedUntil) return false;
    const { count, oldest } = await store.unsettled(now, receipts);
    if (count >= receipts || (oldest !== null && now - oldest >= ageSeconds)) return true;
    return this.#isDemanded && count > 0;
  }

  async #build(): Promise<StoredBatch | undefined> {
    const { network, wallet, verifierSet, batches, store, clock, logger } = this.#dependencies;
    const facilitator = wallet.address;
    const [previous, epoch] = await Promise.all([batches.headOf(facilitator), verifierSet.currentEpoch()]);
    await this.#recordHead(previous);
    const { chosen, leftOut } = await this.#choose(clock());
    await this.#uncovered.leaveOut(leftOut);
    if (chosen.length === 0) {
      this.#pausedUntil = clock() + PAUSE_SECONDS;
      return undefined;
    }
    const settlement = domainIn(network, "settlement");
    const batch = makeBatch(
      chosen.map((receipt) => this.#salted(receipt)),
      { facilitator, previous, epoch },
      settlement,
    );
    await store.recordBatch(batch);
    logger.info({ batchId: batch.batchId, receipts: chosen.length, leftOut: leftOut.length }, "batch built");
    return { batchId: batch.batchId, batch: batch.batch, state: "building", signatures: null };
  }

  /** One that was given up may have got into a block all the same. */
  async #recordHead(head: string): Promise<void> {
    const stored = await this.#dependencies.store.findBatch(head);
    if (stored && stored.state !== "settled") await this.#settler.recordSettled(head);
  }

  async #choose(now: number): Promise<ChosenReceipts> {
    const { store } = this.#dependencies;
    const most = Math.min(this.#terms.receipts, MAX_BATCH_RECEIPTS);
    const leftOut = new Map<string, LeftOut>();
    let chosen: UnsettledReceipt[] = [];
    for (let look = 0; look < MAX_LOOKS; look++) {
      // What those can pay who cannot pay all of it has been looked at.
      const kept = chosen.filter(({ payer }) => leftOut.has(payer));
      const found = await store.unsettledReceipts(now, most, [...leftOut.keys()]);
      const receipts = [...kept, ...found];
      const payers = [...new Set(receipts.map(({ payer }) => payer))];
      const made = chooseReceipts(receipts, await readChargedAccounts(this.#dependencies, payers), now);
      for (const each of made.leftOut) leftOut.set(each.payer, each);
      chosen = made.chosen;
      if (made.leftOut.length === 0 || found.length < most) break;
    }
    return { chosen, leftOut: [...leftOut.values()] };
  }

  #salted({ payer, result }: UnsettledReceipt): BatchReceipt {
    const { taskId, payout, amount } = result;
    const salt = hexlify(randomBytes(32));
    return { salt, taskId, resultHash: this.#resultHashOf(result), payer, payout, amount };
  }
}
