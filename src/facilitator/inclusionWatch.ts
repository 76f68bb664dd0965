import type { Provider } from "ethers";
import type { Logger } from "#service/logger.ts";
import { type Repeated, repeat } from "#service/repeat.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import type { Inclusion, StoredTransaction } from "#store/facilitatorTransactions.ts";

const LOOK_EVERY_SECONDS = 0.25;
/** Blocks without it after which a transaction is broadcast again. */
const REBROADCAST_AFTER_BLOCKS = 5;
/** Blocks in which its nonce is taken but it has no receipt, after which a transaction counts as displaced. */
const DISPLACED_AFTER_BLOCKS = 3;

interface Watched {
  transaction: StoredTransaction;
  ended: PromiseWithResolvers<Inclusion>;
  seenBlock: number;
  blocksWaited: number;
  blocksDisplaced: number;
}

/** Broadcasts transactions until the chain has them, and records how each ended. */
export class InclusionWatch {
  readonly #provider: Provider;
  readonly #store: FacilitatorStore;
  readonly #logger: Logger;
  readonly #watched = new Map<string, Watched>();
  #looking: Repeated | undefined;

  constructor({ provider, store, logger }: { provider: Provider; store: FacilitatorStore; logger: Logger }) {
    this.#provider = provider;
    this.#store = store;
    this.#logger = logger;
  }

  start(): void {
    this.#looking = repeat("watch transactions", LOOK_EVERY_SECONDS, () => this.#lookAtAll(), this.#logger);
  }

  async stop(): Promise<void> {
    await this.#looking?.stop();
  }

  /**
   * Broadcasts a stored transaction and watches it from now on; one that is watched already is left alone.
   *
   * @returns when it was broadcast; `ended` resolves when its end is recorded
   */
  async add(transaction: StoredTransaction): Promise<{ ended: Promise<Inclusion> }> {
    const known = this.#watched.get(transaction.hash);
    if (known) return { ended: known.ended.promise };
    const ended = Promise.withResolvers<Inclusion>();
    this.#watched.set(transaction.hash, { transaction, ended, seenBlock: -1, blocksWaited: 0, blocksDisplaced: 0 });
    await this.#broadcast(transaction);
    return { ended: ended.promise };
  }

  async #lookAtAll(): Promise<void> {
    if (this.#watched.size === 0) return;
    const block = await this.#provider.getBlockNumber();
    for (const watched of [...this.#watched.values()]) {
      if (watched.seenBlock === block) continue;
      await this.#look(watched);
      watched.seenBlock = block;
    }
  }

  async #look(watched: Watched): Promise<void> {
    const { transaction } = watched;
    const minedNonces = await this.#provider.getTransactionCount(transaction.signer, "latest");
    const receipt = await this.#provider.getTransactionReceipt(transaction.hash);
    if (receipt) {
      const status = receipt.status === 1 ? "included" : "reverted";
      return this.#end(watched, { status, blockNumber: receipt.blockNumber, gasUsed: receipt.gasUsed });
    }
    watched.blocksDisplaced = minedNonces > transaction.nonce ? watched.blocksDisplaced + 1 : 0;
    if (watched.blocksDisplaced >= DISPLACED_AFTER_BLOCKS) {
      return this.#end(watched, { status: "reverted", blockNumber: null, gasUsed: null });
    }
    watched.blocksWaited += 1;
    if (watched.blocksWaited % REBROADCAST_AFTER_BLOCKS === 0) await this.#broadcast(transaction);
  }

  async #end(watched: Watched, inclusion: Inclusion): Promise<void> {
    const { hash, subject, purpose } = watched.transaction;
    await this.#store.recordInclusion(hash, inclusion);
    this.#watched.delete(hash);
    this.#logger.info({ subject, purpose, hash, ...inclusion }, "transaction ended");
    watched.ended.resolve(inclusion);
  }

  /** A refusal to take it decides nothing: it may be known already, or in a block. Only the chain's receipt does. */
  async #broadcast({ hash, purpose, raw }: StoredTransaction): Promise<void> {
    try {
      await this.#provider.broadcastTransaction(raw);
    } catch (error) {
      this.#logger.warn(
        { hash, purpose, reason: (error as { code?: string }).code },
        "broadcast not accepted, watching on",
      );
    }
  }
}
