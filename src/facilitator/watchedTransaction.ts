import type { Receipt } from "#chain/blockReceipts.ts";
import type { Attempt, Inclusion, StoredTransaction, WatchedTransaction } from "#store/facilitatorTransactions.ts";
import { clearingOf } from "#store/facilitatorTransactions.ts";

/** How a transaction ended, and by which of its attempts. */
export type Ending = Inclusion & { hash: string };

/** A transaction that is on its way, or in a block that may still be replaced. */
export interface Watched {
  transaction: StoredTransaction;
  /** Everything that was signed for it; the newest last. */
  attempts: Attempt[];
  ended: PromiseWithResolvers<Ending>;
  /** The block that holds it now. */
  place: Receipt | undefined;
  /** Whether its end was recorded. */
  isCounted: boolean;
  /** Blocks without it since the last attempt. */
  blocksWaited: number;
  /** Blocks in which its nonce was taken, but by none of its attempts. */
  blocksDisplaced: number;
  /** Blocks in which the endpoint would not have it, for no reason that is known. */
  blocksRefused: number;
  /** Whether the endpoint said that a block holds its nonce. */
  isNonceUsed: boolean;
  /** Whether the endpoint said that it pays too little, whatever our own quote says. */
  isUnderpaid: boolean;
  /** Whether it has to be handed to the endpoint again at the next block. */
  isToBeSent: boolean;
}

/** Begins to watch a transaction as the store has it. */
export function watched({ transaction, attempts }: WatchedTransaction): Watched {
  const { hash, raw, status, blockNumber, blockHash, gasUsed } = transaction;
  const isPlaced = status !== "sent" && blockNumber !== null && blockHash !== null;
  const place = isPlaced ? { hash, status, blockNumber, blockHash, gasUsed: gasUsed ?? 0n } : undefined;
  const item: Watched = {
    ...{ transaction, place, isCounted: place !== undefined, ended: Promise.withResolvers<Ending>() },
    attempts: [...attempts.filter((attempt) => attempt.hash !== hash), { hash, raw }],
    ...{
      blocksWaited: 0,
      blocksDisplaced: 0,
      blocksRefused: 0,
      isNonceUsed: false,
      isUnderpaid: false,
      isToBeSent: false,
    },
  };
  if (place) item.ended.resolve(place);
  return item;
}

/** One signer has one transaction per nonce. */
export const keyOf = clearingOf;

/** The transaction as the store has it, with how it ended. */
export function storedEnding({ hash, status, blockNumber, blockHash, gasUsed }: StoredTransaction): Ending | undefined {
  return status === "sent" ? undefined : { hash, status, blockNumber, blockHash, gasUsed };
}
