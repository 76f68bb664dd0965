import { keccak256, type Provider, type Wallet } from "ethers";
import type { Call } from "#chain/call.ts";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import type { Logger } from "#service/logger.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import type { Inclusion, StoredTransaction } from "#store/facilitatorTransactions.ts";
import { InclusionWatch } from "./inclusionWatch.ts";
import { priceCall } from "./priceCall.ts";

/** What the outbox works with. */
export interface OutboxDependencies {
  provider: Provider;
  wallet: Wallet;
  chainId: bigint;
  store: FacilitatorStore;
  logger: Logger;
}

/** A transaction on its way; `ended` resolves when a block holds it, or cannot hold it any more. */
export interface SentTransaction {
  hash: string;
  ended: Promise<Inclusion>;
}

/**
 * Sends the facilitator's transactions. Each is stored, signed, before anybody else sees it; so whatever happens to this
 * process, the next one can tell from the chain what became of it.
 */
export class Outbox {
  readonly #dependencies: OutboxDependencies;
  readonly #watch: InclusionWatch;
  #lastOnTheirWay: ReadonlySet<string> = new Set();

  constructor(dependencies: OutboxDependencies) {
    this.#dependencies = dependencies;
    this.#watch = new InclusionWatch(dependencies);
  }

  /** Sends again whatever an earlier process had on its way, and watches over it. */
  async start(): Promise<void> {
    const onTheirWay = await this.#dependencies.store.sentTransactions();
    for (const transaction of onTheirWay) await this.resume(transaction);
    this.#watch.start();
  }

  /**
   * Takes over what was on its way at the last call and still is, whoever sent it: of several processes with the same key
   * the next ones' transactions wait for it too, and the sender may be gone.
   */
  async adopt(): Promise<void> {
    const onTheirWay = await this.#dependencies.store.sentTransactions();
    for (const transaction of onTheirWay) {
      if (this.#lastOnTheirWay.has(transaction.hash)) await this.resume(transaction);
    }
    this.#lastOnTheirWay = new Set(onTheirWay.map(({ hash }) => hash));
  }

  /** Stops watching; what is on its way stays in the store. */
  stop(): Promise<void> {
    return this.#watch.stop();
  }

  /**
   * Signs, stores and broadcasts a call, unless one for the same subject and purpose is on its way or went through. A call that
   * would revert is found out before a nonce is spent on it.
   *
   * @param subject - the taskId or payment digest that it belongs to
   * @throws CallReverted when the contract would refuse it now, OpgError `chain_unavailable` before anything is stored
   */
  async send(subject: string, purpose: TransactionPurpose, call: Call): Promise<SentTransaction> {
    const { provider, wallet, chainId, store, logger } = this.#dependencies;
    const [price, minedNonces] = await Promise.all([
      priceCall(provider, wallet.address, call),
      provider.getTransactionCount(wallet.address, "latest"),
    ]);
    const request = { signer: wallet.address, subject, purpose, minedNonces };
    const transaction = await store.recordTransaction(request, async (nonce) => {
      const raw = await wallet.signTransaction({ type: 2, chainId, nonce, ...call, ...price });
      return { hash: keccak256(raw), raw };
    });
    logger.info({ subject, purpose, hash: transaction.hash, nonce: transaction.nonce }, "transaction signed");
    return this.resume(transaction);
  }

  /** Broadcasts a stored transaction, if that is needed, and watches over it. */
  async resume(transaction: StoredTransaction): Promise<SentTransaction> {
    const { ended } = await this.#watch.add(transaction);
    return { hash: transaction.hash, ended };
  }
}
