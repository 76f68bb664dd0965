import { broadcast } from "#chain/broadcast.ts";
import { type FeeQuote, type Fees, MAX_FEE_PER_GAS } from "#chain/feeQuote.ts";
import { feesOf, isEmpty, signAgain, signEmpty } from "#chain/signTransaction.ts";
import type { InclusionWatch, WatchDependencies } from "./inclusionWatch.ts";
import type { Signer } from "./signers.ts";
import type { Watched } from "./watchedTransaction.ts";

/** Blocks without it after which a transaction is broadcast again. */
const REBROADCAST_AFTER_BLOCKS = 5;
/** Blocks without it after which a transaction is asked about, and offers more where it offers too little. */
const LATE_AFTER_BLOCKS = 3;
/** Blocks in which its nonce is taken but it has no receipt, after which a transaction counts as displaced. */
const DISPLACED_AFTER_BLOCKS = 3;
/** Blocks in which an endpoint would not have it, for no reason that is known, after which it is given up. */
const GIVEN_UP_AFTER_BLOCKS = 3;
/** geth takes another transaction of the same nonce for 10 % more in both fees; 12.5 % suffice after any rounding. */
const RAISE_PER_THOUSAND = 1_125n;

/** What sending again needs. */
export interface ResendingDependencies extends WatchDependencies {
  fees: FeeQuote;
}

/**
 * Sees to it that transactions get into blocks: what was dropped is broadcast again, what pays too little is signed again for
 * more, and what can never be mined gives its nonce to an empty transfer. Whatever is signed is stored first.
 */
export class Resender {
  readonly #dependencies: ResendingDependencies;
  readonly #watch: InclusionWatch;

  constructor(dependencies: ResendingDependencies, watch: InclusionWatch) {
    this.#dependencies = dependencies;
    this.#watch = watch;
  }

  /** Hands the newest attempt to the endpoint, and notes what it says. */
  async submit(item: Watched): Promise<void> {
    const { hash, purpose, raw, signer } = item.transaction;
    item.isToBeSent = false;
    const outcome = await broadcast(this.#dependencies.provider, raw);
    item.blocksRefused = outcome === "refused" ? item.blocksRefused + 1 : 0;
    item.isUnderpaid = outcome === "fee_too_low";
    if (outcome === "accepted") return;
    this.#dependencies.logger.warn({ hash, purpose, signer, outcome }, "broadcast not accepted, watching on");
    if (outcome === "nonce_used") item.isNonceUsed = true;
    if (outcome === "unanswered" || outcome === "refused" || outcome === "no_funds") item.isToBeSent = true;
    if (outcome === "outbid") item.blocksWaited = LATE_AFTER_BLOCKS;
    if (outcome === "no_funds") await this.#handOver(item);
  }

  /** After each block: whatever is still on its way has waited one more. */
  async tend(): Promise<void> {
    const bySigner = Map.groupBy(this.#watch.onTheirWay(), ({ transaction }) => transaction.signer);
    for (const signer of this.#dependencies.signers.all) if (!bySigner.has(signer.address)) noteWaiting(signer, []);
    const tending = [...bySigner].map(async ([address, items]) => {
      const signer = this.#dependencies.signers.find(address);
      if (signer) noteWaiting(signer, items);
      for (const item of items) item.blocksWaited += 1;
      await this.#findDisplaced(address, items);
      await Promise.all(items.filter(({ place }) => !place).map((item) => this.#tendOne(item, signer)));
    });
    await Promise.all(tending);
  }

  async #tendOne(item: Watched, signer: Signer | undefined): Promise<void> {
    const { purpose, raw } = item.transaction;
    const isUnwanted = item.blocksRefused >= GIVEN_UP_AFTER_BLOCKS || (purpose === "clear" && !isEmpty(raw));
    if (signer && isUnwanted) return this.#sign(item, signer, "refused", true);
    const isLate = item.blocksWaited >= LATE_AFTER_BLOCKS;
    if (signer && (item.isUnderpaid || (isLate && this.#isUnderpriced(raw)))) {
      return this.#sign(item, signer, "underpriced", false);
    }
    if (item.isToBeSent || item.blocksWaited % REBROADCAST_AFTER_BLOCKS === 0) return this.submit(item);
  }

  /** Signs once more with the same nonce, keeps it, and sends it. At the bound it stays as it is. */
  async #sign(item: Watched, { wallet }: Signer, reason: string, isClearing: boolean): Promise<void> {
    const { store, fees, counters, logger } = this.#dependencies;
    const { raw, hash: replaced, subject, nonce } = item.transaction;
    const raised = raise(feesOf(raw), fees.offered);
    if (!raised) {
      logger.error({ hash: replaced, subject, nonce }, "a transaction would have to pay more than we ever pay");
      return this.submit(item);
    }
    const attempt = isClearing ? signEmpty(wallet, raw, raised) : signAgain(wallet, raw, raised);
    if (!(await store.recordAttempt(item.transaction, attempt, isClearing))) return;
    counters.replaced.inc({ reason });
    logger.warn({ hash: attempt.hash, replaced, subject, nonce, reason, isClearing }, "transaction signed again");
    this.#watch.addAttempt(item, attempt, isClearing);
    item.blocksWaited = 0;
    item.blocksRefused = 0;
    await this.submit(item);
  }

  /** Another signer takes it over where there is one; else it waits until somebody sends ether. */
  async #handOver(item: Watched): Promise<void> {
    const { signers } = this.#dependencies;
    const { signer: address, purpose } = item.transaction;
    await signers.ranOut(address);
    const signer = signers.find(address);
    if (purpose === "clear" || !signer?.isPoor || !signers.hasOther(address, "signer")) return;
    await this.#sign(item, signer, "no_funds", true);
  }

  /** Asks how many nonces are used only where something is late. */
  async #findDisplaced(address: string, items: readonly Watched[]): Promise<void> {
    const late = items.filter(({ blocksWaited, isNonceUsed }) => isNonceUsed || blocksWaited >= LATE_AFTER_BLOCKS);
    if (late.length === 0) return;
    const { provider, signers } = this.#dependencies;
    const mined = await provider.getTransactionCount(address, "latest");
    const signer = signers.find(address);
    if (signer) signer.minedNonces = Math.max(signer.minedNonces, mined);
    const [used, unused] = [
      items.filter(({ transaction }) => transaction.nonce < mined),
      items.filter(({ transaction }) => transaction.nonce >= mined),
    ];
    for (const item of unused) item.blocksDisplaced = 0;
    await this.#watch.lookFor(used);
    for (const item of used.filter(({ place }) => !place)) {
      item.blocksDisplaced += 1;
      if (item.blocksDisplaced >= DISPLACED_AFTER_BLOCKS) await this.#watch.displace(item);
    }
  }

  #isUnderpriced(raw: string): boolean {
    const { asked } = this.#dependencies.fees;
    const { maxFeePerGas, maxPriorityFeePerGas } = feesOf(raw);
    return maxFeePerGas < asked.maxFeePerGas || maxPriorityFeePerGas < asked.maxPriorityFeePerGas;
  }
}

/** Above what was offered before by as much as endpoints ask for, and at least what is offered now; nothing above the bound. */
export function raise(before: Fees, offered: Fees): Fees | undefined {
  const maxFeePerGas = most(raised(before.maxFeePerGas), offered.maxFeePerGas);
  const maxPriorityFeePerGas = most(raised(before.maxPriorityFeePerGas), offered.maxPriorityFeePerGas);
  return maxFeePerGas > MAX_FEE_PER_GAS ? undefined : { maxFeePerGas, maxPriorityFeePerGas };
}

const raised = (fee: bigint): bigint => (fee * RAISE_PER_THOUSAND) / 1_000n + 1n;
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);

function noteWaiting(signer: Signer, items: readonly Watched[]): void {
  const lowest = items.reduce((least, { transaction }) => Math.min(least, transaction.nonce), Infinity);
  signer.blocksWaited = lowest === signer.lowestNonce ? signer.blocksWaited + 1 : 0;
  signer.lowestNonce = Number.isFinite(lowest) ? lowest : -1;
}
