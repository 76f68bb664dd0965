import type { Wallet } from "ethers";
import type { Call } from "#chain/call.ts";
import type { ChainHead, HeadBlock } from "#chain/chainHead.ts";
import { FeeQuote } from "#chain/feeQuote.ts";
import type { RpcProvider } from "#chain/rpcProvider.ts";
import { signTransaction } from "#chain/signTransaction.ts";
import { CallReverted } from "#chain/submitCall.ts";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import type { Logger } from "#service/logger.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import type { StoredTransaction, WatchedTransaction } from "#store/facilitatorTransactions.ts";
import { type Depths, InclusionWatch } from "./inclusionWatch.ts";
import type { OutboxCounters } from "./outboxMetrics.ts";
import { estimateGas } from "./estimateGas.ts";
import { Resender } from "./resender.ts";
import { type Signer, type SenderRule, Signers } from "./signers.ts";
import { type Ending, storedEnding, type Watched } from "./watchedTransaction.ts";

/** What the outbox works with. */
export interface OutboxDependencies {
  provider: RpcProvider;
  head: ChainHead;
  /** Those who send; the facilitator's own first. */
  wallets: readonly Wallet[];
  chainId: bigint;
  store: FacilitatorStore;
  depths: Depths;
  counters: OutboxCounters;
  logger: Logger;
}

/** A transaction on its way; `ended` resolves when it counts, or cannot be in a block any more. */
export interface SentTransaction {
  /** Of the first attempt; `ended` names the one that a block holds. */
  hash: string;
  ended: Promise<Ending>;
}

/** How a call is to be sent, where not by anyone after a look at whether it would go through. */
export interface Sending {
  sender?: SenderRule;
  /** Gas that is enough, where it is known, when its turn comes, that the call goes through: then nothing is asked. */
  knownGas?: () => Promise<bigint | undefined>;
  /** How long to wait for a signer; without end where left out. */
  patienceSeconds?: number;
}

/**
 * Sends the facilitator's transactions by several accounts. Each is stored, signed, before anybody else sees it; so whatever
 * happens to this process, the next one can tell from the chain what became of it.
 */
export class Outbox {
  readonly signers: Signers;
  readonly #dependencies: OutboxDependencies;
  readonly #fees: FeeQuote;
  readonly #watch: InclusionWatch;
  readonly #resender: Resender;
  #lastOnTheirWay: ReadonlySet<string> = new Set();
  #stopFollowing: (() => void) | undefined;

  constructor(dependencies: OutboxDependencies) {
    const { provider, head, wallets } = dependencies;
    this.#dependencies = dependencies;
    this.#fees = new FeeQuote(provider, head);
    this.signers = new Signers(wallets, { ...dependencies, fees: this.#fees });
    const shared = { ...dependencies, signers: this.signers, fees: this.#fees };
    this.#watch = new InclusionWatch(shared);
    this.#resender = new Resender(shared, this.#watch);
  }

  /** Takes over whatever an earlier process had on its way or in blocks that may be replaced, and follows the chain. */
  async start(): Promise<void> {
    const { head, store } = this.#dependencies;
    await this.#fees.start();
    await this.signers.start();
    for (const stored of await store.watchedTransactions()) this.#takeOver(stored);
    await this.#watch.takeIn(head.newest, true);
    this.#stopFollowing = head.onBlock((block, isGap) => this.#follow(block, isGap));
    this.#watch.fallBehind();
    await Promise.all(this.#watch.onTheirWay().map((item) => this.#resender.submit(item)));
  }

  /** Stops watching; what is on its way stays in the store. */
  stop(): void {
    this.#stopFollowing?.();
    this.signers.stop();
  }

  /**
   * Takes over what was on its way at the last call and still is, whoever sent it: of several processes with the same keys
   * the next ones' transactions wait for it too, and the sender may be gone.
   */
  async adopt(): Promise<void> {
    const stored = await this.#dependencies.store.watchedTransactions();
    const left = stored.filter(({ transaction }) => {
      return this.#watch.find(transaction) === undefined && this.#lastOnTheirWay.has(transaction.hash);
    });
    await this.#settleIn(left.map((each) => this.#takeOver(each)));
    this.#lastOnTheirWay = new Set(stored.map(({ transaction }) => transaction.hash));
  }

  /**
   * Signs, stores and broadcasts a call by the signer that has the least to do, unless one for the same subject and purpose is
   * on its way or went through. Where all have their hands full it waits. A call that would revert is found out before a nonce
   * is spent on it.
   *
   * @param subject - the taskId or payment digest that it belongs to
   * @throws CallReverted when the contract would refuse it now, OpgError `chain_unavailable` before anything is stored, also where
   * no signer has room in time
   */
  async send(
    subject: string,
    purpose: TransactionPurpose,
    call: Call,
    sending: Sending = {},
  ): Promise<SentTransaction> {
    const { sender = "anyone", knownGas, patienceSeconds } = sending;
    const signer = await this.signers.take(sender, patienceSeconds);
    let stored: StoredTransaction;
    let signedHash: string | undefined;
    try {
      const gasLimit = (await knownGas?.()) ?? (await estimateGas(this.#dependencies.provider, signer.address, call));
      const request = { signer: signer.address, subject, purpose, minedNonces: signer.minedNonces };
      stored = await this.#dependencies.store.recordTransaction(request, (nonce) => {
        const signed = this.#sign(signer, call, nonce, gasLimit);
        signedHash = signed.hash;
        return signed;
      });
    } catch (error) {
      this.signers.release(signer.address);
      if (sender !== "signer" || signer.isOwner || !isNotASigner(error)) throw error;
      this.signers.unauthorize(signer);
      return this.send(subject, purpose, call, sending);
    }
    this.signers.noteNonce(stored.signer, stored.nonce);
    if (stored.hash !== signedHash) {
      this.signers.release(signer.address);
      return this.resume(stored);
    }
    const { hash, nonce } = stored;
    this.#dependencies.logger.info({ subject, purpose, hash, nonce, signer: signer.address }, "transaction signed");
    // Another call for it may have seen it in the store, and taken a place for it.
    if (this.#watch.find(stored)) this.signers.release(signer.address);
    const item = this.#watch.add({ transaction: stored, attempts: [] });
    await this.#resender.submit(item);
    return { hash, ended: item.ended.promise };
  }

  /** Waits for a stored transaction, whoever has sent it. */
  async resume(transaction: StoredTransaction): Promise<SentTransaction> {
    const { hash } = transaction;
    const known = this.#watch.find(transaction);
    if (known) return { hash, ended: known.ended.promise };
    const ending = storedEnding(transaction);
    if (ending) return { hash, ended: Promise.resolve(ending) };
    const attempts = await this.#dependencies.store.attemptsOf(transaction);
    const item = this.#takeOver({ transaction, attempts });
    await this.#settleIn([item]);
    return { hash, ended: item.ended.promise };
  }

  /** Looks where they are, and sends again what is in no block. */
  async #settleIn(items: readonly Watched[]): Promise<void> {
    const { head } = this.#dependencies;
    await this.#watch.lookFor(items.filter(({ place }) => !place || !head.holds(place.blockHash)));
    await Promise.all(items.filter(({ place }) => !place).map((item) => this.#resender.submit(item)));
  }

  #takeOver(stored: WatchedTransaction): Watched {
    const known = this.#watch.find(stored.transaction);
    if (known) return known;
    const item = this.#watch.add(stored);
    this.signers.noteNonce(stored.transaction.signer, stored.transaction.nonce);
    if (!item.place) this.signers.occupy(stored.transaction.signer);
    return item;
  }

  #sign({ wallet }: Signer, call: Call, nonce: number, gasLimit: bigint) {
    const { chainId } = this.#dependencies;
    return signTransaction(wallet, call, { chainId, nonce, gasLimit, fees: this.#fees.offered });
  }

  async #follow(block: HeadBlock, isGap: boolean): Promise<void> {
    const { isCatchingUp } = this.#dependencies.head;
    await this.#watch.takeIn(block, isGap);
    // What seems to be missing may be in the next block, which is known already.
    if (!isCatchingUp) await this.#resender.tend();
  }
}

/** The entry was told to take no calls of this signer any more. */
function isNotASigner(error: unknown): boolean {
  return error instanceof CallReverted && error.revert?.name === "NotASigner";
}
