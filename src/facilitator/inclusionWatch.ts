import { readBlockReceipts, type Receipt, readReceipt } from "#chain/blockReceipts.ts";
import { blocksByNumber, type BlocksByNumber } from "#chain/blocksByNumber.ts";
import type { HeadBlock } from "#chain/chainHead.ts";
import type { RpcProvider } from "#chain/rpcProvider.ts";
import type { Logger } from "#service/logger.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import type { Attempt, NoncePlace, WatchedTransaction } from "#store/facilitatorTransactions.ts";
import type { OutboxCounters } from "./outboxMetrics.ts";
import type { Signers } from "./signers.ts";
import { type Ending, keyOf, type Watched, watched } from "./watchedTransaction.ts";

/** How many blocks, its own included, a transaction must have: to count, and to be forgotten. */
export interface Depths {
  confirmations: number;
  reorgBlocks: number;
}

/** What watching needs. */
export interface WatchDependencies {
  provider: RpcProvider;
  store: FacilitatorStore;
  signers: Signers;
  depths: Depths;
  counters: OutboxCounters;
  logger: Logger;
}

/** One that a block holds. */
type Placed = Watched & { place: Receipt };

/** Transactions that are asked about at the same time. */
const ASKED_AT_ONCE = 16;

/**
 * Knows in which block each transaction is: it takes in block after block, records what counts, and takes that back when the
 * block is replaced. The blocks name their transactions, so nothing is asked about one that is in none of them.
 */
export class InclusionWatch {
  readonly #dependencies: WatchDependencies;
  readonly #watched = new Map<string, Watched>();
  readonly #byHash = new Map<string, Watched>();
  #newest: HeadBlock | undefined;
  /** Whether a block could not be taken in whole, so that every receipt has to be asked for. */
  #isBehind = false;
  /** What changes places goes one after the other, so that no older answer overrides a newer one. */
  #turn: Promise<void> = Promise.resolve();

  constructor(dependencies: WatchDependencies) {
    this.#dependencies = dependencies;
  }

  /** Watches a transaction from now on; one that is watched already is left alone. */
  add(stored: WatchedTransaction): Watched {
    const key = keyOf(stored.transaction);
    const known = this.#watched.get(key);
    if (known) return known;
    const item = watched(stored);
    this.#watched.set(key, item);
    for (const { hash } of item.attempts) this.#byHash.set(hash, item);
    return item;
  }

  find(place: NoncePlace): Watched | undefined {
    return this.#watched.get(keyOf(place));
  }

  /** Those that no block holds. */
  onTheirWay(): Watched[] {
    return [...this.#watched.values()].filter(({ place }) => !place);
  }

  /** Another attempt of a transaction, or nothing in its place: whoever waits for the call is told that it was given up. */
  addAttempt(item: Watched, { hash, raw }: { hash: string; raw: string }, isClearing: boolean): void {
    item.attempts.push({ hash, raw });
    item.transaction = { ...item.transaction, hash, raw };
    this.#byHash.set(hash, item);
    if (!isClearing) return;
    const { transaction, ended } = item;
    item.transaction = { ...transaction, purpose: "clear", subject: keyOf(transaction) };
    item.ended = Promise.withResolvers();
    ended.resolve({ hash, status: "reverted", blockNumber: null, blockHash: null, gasUsed: null });
  }

  /** Another transaction has taken the nonce for good, unless it is an attempt that another process has signed. */
  displace(item: Watched): Promise<void> {
    return this.#inTurn(async () => {
      if (this.find(item.transaction) !== item) return;
      for (const attempt of await this.#dependencies.store.attemptsOf(item.transaction)) this.#learn(item, attempt);
      await this.#askAll([item]);
      if (item.place) return this.#countAll();
      const { hash } = item.transaction;
      await this.#end(item, { hash, status: "reverted", blockNumber: null, blockHash: null, gasUsed: null });
      this.#dependencies.signers.release(item.transaction.signer);
      this.#forget(item);
    });
  }

  /** Looks whether blocks hold some already. @throws OpgError `chain_unavailable` */
  lookFor(items: readonly Watched[]): Promise<void> {
    return this.#inTurn(async () => {
      await this.#askAll(items);
      await this.#countAll();
    });
  }

  /** Blocks may have been missed: the next one is taken in by asking about everything. */
  fallBehind(): void {
    this.#isBehind = true;
  }

  /** Takes in the chain's next block. What fails is made up for at the next one. */
  takeIn(block: HeadBlock, isGap: boolean): Promise<void> {
    return this.#inTurn(async () => {
      this.#newest = block;
      const isWhole = !isGap && !this.#isBehind;
      this.#isBehind = true;
      this.#isBehind = !(isWhole ? await this.#follow(block) : await this.#askAll([...this.#watched.values()]));
      await this.#countAll();
      await this.#finish(block);
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #learn(item: Watched, { hash, raw }: Attempt): void {
    if (item.attempts.some((attempt) => attempt.hash === hash)) return;
    item.attempts.unshift({ hash, raw });
    this.#byHash.set(hash, item);
  }

  /** @returns true: after it nothing is left to be asked */
  async #follow(block: HeadBlock): Promise<true> {
    const replaced = this.#placed().filter(
      ({ place }) => place.blockNumber >= block.number && place.blockHash !== block.hash,
    );
    for (const item of replaced) await this.#takeOut(item);
    const held = block.transactions.filter((hash) => this.#byHash.get(hash)?.place?.blockHash !== block.hash);
    const ours = held.filter((hash) => this.#byHash.has(hash));
    if (ours.length === 0) return true;
    for (const receipt of await readBlockReceipts(this.#dependencies.provider, block, ours)) {
      const item = this.#byHash.get(receipt.hash);
      if (item) this.#put(item, receipt);
    }
    return true;
  }

  /** @returns whether the answers told of each where it is */
  async #askAll(items: readonly Watched[]): Promise<boolean> {
    let isClear = true;
    const blocks = blocksByNumber(this.#dependencies.provider);
    for (let from = 0; from < items.length; from += ASKED_AT_ONCE) {
      const asking = items.slice(from, from + ASKED_AT_ONCE).map((item) => this.#ask(item, blocks));
      // None may still be asking when the next turn begins.
      for (const asked of await Promise.allSettled(asking)) {
        if (asked.status === "rejected") throw asked.reason;
        isClear &&= asked.value;
      }
    }
    return isClear;
  }

  /**
   * One that is not watched any more is left alone. A receipt that is only missing changes nothing.
   *
   * @returns whether receipt and block agree; while the chain is being reorganised they may not
   */
  async #ask(item: Watched, blocks: BlocksByNumber): Promise<boolean> {
    if (this.find(item.transaction) !== item) return true;
    const { provider } = this.#dependencies;
    const receipts = await Promise.all(item.attempts.map(({ hash }) => readReceipt(provider, hash)));
    const shown = await Promise.all(receipts.map(async (receipt) => receipt && (await isShown(receipt, blocks))));
    const found = receipts.find((_, index) => shown[index]);
    const { place } = item;
    if (place && place.blockHash !== found?.blockHash) {
      const there = await blocks(place.blockNumber);
      if (!there || there.hash === place.blockHash) return false;
      await this.#takeOut(item);
    }
    if (found && !item.place) this.#put(item, found);
    return true;
  }

  #put(item: Watched, receipt: Receipt): void {
    if (!item.place) this.#dependencies.signers.release(item.transaction.signer);
    item.place = receipt;
    item.blocksDisplaced = 0;
  }

  /** The block that held it is none of the chain's any more. */
  async #takeOut(item: Watched): Promise<void> {
    const { store, signers, counters, logger } = this.#dependencies;
    const { hash, subject, purpose } = item.transaction;
    if (item.isCounted) {
      const stored = await store.recordReorg(item.transaction);
      counters.reorged.inc();
      logger.warn(
        { hash, subject, purpose, block: item.place?.blockNumber },
        "a reorganisation took a transaction out",
      );
      if (!stored) return this.#forget(item);
      item.transaction = stored;
      item.ended = Promise.withResolvers();
      item.isCounted = false;
    }
    item.place = undefined;
    item.blocksWaited = 0;
    item.isToBeSent = true;
    signers.occupy(item.transaction.signer);
  }

  async #countAll(): Promise<void> {
    const { confirmations } = this.#dependencies.depths;
    const counting = this.#placed().filter((item) => !item.isCounted && this.#depthOf(item.place) >= confirmations);
    await Promise.all(counting.map((item) => this.#end(item, item.place)));
  }

  async #end(item: Watched, ending: Ending): Promise<void> {
    const { store, logger } = this.#dependencies;
    const { hash, status, blockNumber, blockHash, gasUsed } = ending;
    const { subject, purpose } = item.transaction;
    await store.recordInclusion(hash, { status, blockNumber, blockHash, gasUsed });
    item.transaction = { ...item.transaction, hash, status, blockNumber, blockHash, gasUsed };
    item.isCounted = true;
    logger.info({ subject, purpose, hash, status, blockNumber, gasUsed: gasUsed?.toString() }, "transaction ended");
    item.ended.resolve(ending);
  }

  async #finish({ number }: HeadBlock): Promise<void> {
    const { store, depths } = this.#dependencies;
    const deep = this.#placed().filter(
      ({ isCounted, place }) => isCounted && number - place.blockNumber + 1 >= depths.reorgBlocks,
    );
    if (deep.length === 0) return;
    const held = await this.#stillHeld(deep);
    if (held.length === 0) return;
    await store.recordFinal(held.map(({ transaction: { signer, nonce } }) => ({ signer, nonce })));
    for (const item of held) this.#forget(item);
  }

  /** The last look at those that are going to be forgotten, whatever was missed before: one call per block. */
  async #stillHeld(items: readonly Placed[]): Promise<Placed[]> {
    const blocks = blocksByNumber(this.#dependencies.provider);
    const held: Placed[] = [];
    for (const item of items) {
      const { blockNumber, blockHash } = item.place;
      const there = await blocks(blockNumber);
      if (there?.hash === blockHash) held.push(item);
      else if (there) await this.#takeOut(item);
    }
    return held;
  }

  #forget(item: Watched): void {
    this.#watched.delete(keyOf(item.transaction));
    for (const { hash } of item.attempts) this.#byHash.delete(hash);
  }

  #depthOf({ blockNumber }: Receipt): number {
    return (this.#newest?.number ?? blockNumber) - blockNumber + 1;
  }

  #placed(): Placed[] {
    return [...this.#watched.values()].filter((item): item is Placed => item.place !== undefined);
  }
}

/** Endpoints may still answer with the receipt of a block that was replaced. */
async function isShown({ hash, blockNumber, blockHash }: Receipt, blocks: BlocksByNumber): Promise<boolean> {
  const block = await blocks(blockNumber);
  return block?.hash === blockHash && block.transactions.includes(hash);
}
