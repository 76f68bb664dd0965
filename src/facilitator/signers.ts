import type { Wallet } from "ethers";
import type { ChainHead } from "#chain/chainHead.ts";
import type { FeeQuote } from "#chain/feeQuote.ts";
import type { RpcProvider } from "#chain/rpcProvider.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Logger } from "#service/logger.ts";

/** Who may send a call: anyone, a signer of the facilitator's entry, or nobody but the facilitator itself. */
export type SenderRule = "anyone" | "signer" | "facilitator";

/**
 * Transactions of one signer that are on their way at most. geth and its relatives keep 64 of an account that they cannot
 * run yet, because the ones before have not reached them, and drop what is more; a few are left for replicas and the operator.
 */
export const MAX_ON_THEIR_WAY = 60;
/**
 * Calls that wait for their turn at most: what a dozen signers send in ten blocks and more. What is refused is stored, and tried
 * again by a duty, so that no more than this is kept of a backlog in memory.
 */
export const MAX_WAITING = 10_000;
/** Blocks without its lowest transaction after which a signer is passed over. */
const STUCK_AFTER_BLOCKS = 10;
/** Gas that a signer must be able to pay for, to be given anything. */
const LEAST_GAS = 300_000n;
/** Blocks between two looks at the ether of a signer that has enough. */
const BALANCE_EVERY_BLOCKS = 30;

/** An account that sends transactions. */
export interface Signer {
  wallet: Wallet;
  address: string;
  /** Whether it is the facilitator itself. */
  isOwner: boolean;
  /** Whether the facilitator's entry takes calls of it. */
  authorized: boolean;
  /** Nonces that are used, as far as this process knows; the store knows those that were given out and not forgotten. */
  minedNonces: number;
  /** Transactions that no block holds yet, and calls that are being signed. */
  onTheirWay: number;
  /** The lowest nonce that is on its way, and how many blocks came without it. */
  lowestNonce: number;
  blocksWaited: number;
  isPoor: boolean;
}

interface Waiting {
  rule: SenderRule;
  granted: (signer: Signer) => void;
  refused: (reason: Error) => void;
}

/** What choosing among signers needs. */
export interface SignersDependencies {
  provider: RpcProvider;
  head: ChainHead;
  fees: FeeQuote;
  logger: Logger;
}

/** The accounts that send: each call gets the one with the least to do, or waits for its turn. */
export class Signers {
  readonly #dependencies: SignersDependencies;
  readonly #all: readonly Signer[];
  readonly #waiting: Waiting[] = [];
  #blocks = 0;
  #isStopped = false;

  /** @param wallets - the facilitator's own first */
  constructor(wallets: readonly Wallet[], dependencies: SignersDependencies) {
    this.#dependencies = dependencies;
    this.#all = wallets.map((wallet, index) => ({
      ...{ wallet, address: wallet.address, isOwner: index === 0, authorized: index === 0 },
      ...{ minedNonces: 0, onTheirWay: 0, lowestNonce: -1, blocksWaited: 0, isPoor: false },
    }));
  }

  get all(): readonly Signer[] {
    return this.#all;
  }

  /** Calls that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Reads each signer's nonce and ether. @throws OpgError `chain_unavailable` */
  async start(): Promise<void> {
    await Promise.all(this.#all.map((signer) => Promise.all([this.readNonces(signer), this.#readBalance(signer)])));
    this.#dependencies.head.onBlock(() => this.#lookAtBalances());
  }

  /** Ends the wait of all who wait; what they want is stored, and taken up by the next process. */
  stop(): void {
    this.#isStopped = true;
    for (const { refused } of this.#waiting.splice(0)) refused(ended());
  }

  find(address: string): Signer | undefined {
    return this.#all.find((signer) => signer.address === address);
  }

  /**
   * Waits for an eligible signer that has room, and takes a place of it.
   *
   * @param patienceSeconds - how long it is worth to wait; without end where left out
   * @throws OpgError `chain_unavailable` when that time is over, too many wait already, or the process ends
   */
  take(rule: SenderRule, patienceSeconds?: number): Promise<Signer> {
    if (this.#isStopped) return Promise.reject(ended());
    const free = this.#waiting.length === 0 ? this.#choose(rule) : undefined;
    if (free) return Promise.resolve(occupy(free));
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(busy());
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(busy());
      };
      const timer = patienceSeconds === undefined ? undefined : setTimeout(giveUp, patienceSeconds * 1000);
      const waiting: Waiting = {
        rule,
        granted: (signer) => {
          clearTimeout(timer);
          resolve(signer);
        },
        refused: (reason) => {
          clearTimeout(timer);
          reject(reason);
        },
      };
      this.#waiting.push(waiting);
      this.#serve();
    });
  }

  /** What the store forgets of old nonces is not given out again. */
  noteNonce(address: string, nonce: number): void {
    const signer = this.find(address);
    if (signer) signer.minedNonces = Math.max(signer.minedNonces, nonce + 1);
  }

  /** One more of this signer's is on its way, room or not. */
  occupy(address: string): void {
    const signer = this.find(address);
    if (signer) occupy(signer);
  }

  /** One less of this signer's is on its way. */
  release(address: string): void {
    const signer = this.find(address);
    if (!signer) return;
    signer.onTheirWay -= 1;
    this.#serve();
  }

  /** The entry takes calls of it from now on. */
  authorize(signer: Signer): void {
    signer.authorized = true;
    this.#serve();
  }

  /** The entry takes no calls of it, until it is made known to it anew. */
  unauthorize(signer: Signer): void {
    signer.authorized = false;
    this.#dependencies.logger.warn({ signer: signer.address }, "the entry does not take calls of a signer any more");
  }

  /** The endpoint says that it cannot pay: it is passed over until it can. */
  async ranOut(address: string): Promise<void> {
    const signer = this.find(address);
    if (!signer || signer.isPoor) return;
    signer.isPoor = true;
    this.#dependencies.logger.warn({ signer: address }, "a signer has no ether left, it is passed over");
    await this.#readBalance(signer).catch(() => undefined);
  }

  /** Whether somebody else could send in place of this signer. */
  hasOther(address: string, rule: SenderRule): boolean {
    return this.#all.some((signer) => signer.address !== address && mayFor(signer, rule) && !isHeldUp(signer));
  }

  async readNonces(signer: Signer): Promise<void> {
    const counted = await this.#dependencies.provider.getTransactionCount(signer.address, "latest");
    signer.minedNonces = Math.max(signer.minedNonces, counted);
  }

  /** Who waits longest comes first, except for those whom nobody can serve yet. */
  #serve(): void {
    for (let index = 0; index < this.#waiting.length && this.#choose("anyone");) {
      const waiting = this.#waiting[index];
      const signer = waiting && this.#choose(waiting.rule);
      if (!waiting || !signer) {
        index += 1;
        continue;
      }
      this.#waiting.splice(index, 1);
      waiting.granted(occupy(signer));
    }
  }

  /** A stuck one is better than none; one without ether is not. */
  #choose(rule: SenderRule): Signer | undefined {
    const free = this.#all.filter(
      (signer) => mayFor(signer, rule) && !signer.isPoor && signer.onTheirWay < MAX_ON_THEIR_WAY,
    );
    const going = free.filter((signer) => !isHeldUp(signer));
    return (going.length > 0 ? going : free).reduce<Signer | undefined>(
      (least, signer) => (least && least.onTheirWay <= signer.onTheirWay ? least : signer),
      undefined,
    );
  }

  async #lookAtBalances(): Promise<void> {
    const isTurn = ++this.#blocks % BALANCE_EVERY_BLOCKS === 0;
    await Promise.all(this.#all.filter(({ isPoor }) => isPoor || isTurn).map((signer) => this.#readBalance(signer)));
  }

  async #readBalance(signer: Signer): Promise<void> {
    const { provider, fees, logger } = this.#dependencies;
    const balance = await provider.getBalance(signer.address);
    const isPoor = balance < LEAST_GAS * fees.offered.maxFeePerGas;
    if (isPoor !== signer.isPoor) {
      logger.warn({ signer: signer.address, balance: balance.toString(), isPoor }, "the ether of a signer changed");
    }
    signer.isPoor = isPoor;
    if (!isPoor) this.#serve();
  }
}

/** Whether nothing of a signer's gets into blocks. */
export function isHeldUp({ isPoor, blocksWaited }: Signer): boolean {
  return isPoor || blocksWaited >= STUCK_AFTER_BLOCKS;
}

function mayFor(signer: Signer, rule: SenderRule): boolean {
  if (rule === "facilitator") return signer.isOwner;
  return rule === "anyone" || signer.authorized;
}

function occupy(signer: Signer): Signer {
  signer.onTheirWay += 1;
  return signer;
}

function busy(): OpgError {
  const words = "All accounts that send have their hands full, for the chain takes no more; ask again in a moment.";
  return new OpgError("chain_unavailable", words, { retryAfterSeconds: 5 });
}

function ended(): OpgError {
  return new OpgError("chain_unavailable", "The facilitator ends before it could send this; ask again in a moment.");
}
