import { setTimeout as sleep } from "node:timers/promises";
import type { Provider } from "ethers";
import type { Call } from "#chain/call.ts";
import type { ChainHead } from "#chain/chainHead.ts";
import { isRevert } from "#chain/decodeRevert.ts";
import type { StoredPayment } from "#store/facilitatorPayments.ts";

/**
 * Blocks at which all that is known of a payment was fine and its settlement was refused all the same, until it is the token
 * that refuses. One may be an accident of the endpoint's; three in a row come within one `/settle` on a chain of short blocks.
 */
const REFUSED_AT_BLOCKS = 3;
/** Settlements of one payment that may revert in blocks: each costs us gas, and a payer more who makes it happen. */
const MAX_REVERTED = 5;
/** A block of the chains in question comes sooner; where not, the payment is taken up again later. */
const BLOCK_WAIT_MS = 4_000;

/** Counts, by payment, the blocks that refuse what nothing speaks against. */
export class UnexplainedRefusals {
  readonly #seen = new Map<string, { newest: number; blocks: number }>();

  /**
   * Tries a call at the very block at which the payer's funds and signature were found fine: whoever moves them away and back
   * between two looks, or an endpoint that lags, is not taken for a token that refuses.
   *
   * @returns whether it was refused at so many blocks that nothing will change it
   */
  async isForGood(provider: Provider, digest: string, call: Call & { from: string }, block: number): Promise<boolean> {
    const seen = this.#seen.get(digest) ?? { newest: -1, blocks: 0 };
    if (block > seen.newest && (await isRefusedAt(provider, call, block))) {
      this.#seen.set(digest, { newest: block, blocks: ++seen.blocks });
    }
    return seen.blocks >= REFUSED_AT_BLOCKS;
  }

  /** The payment has ended. */
  forget(digest: string): void {
    this.#seen.delete(digest);
  }
}

/** Whether so many settlements of a payment have reverted that no more gas is spent on it. */
export function hasRevertedTooOften({ transactions }: Pick<StoredPayment, "transactions">): boolean {
  const inBlocks = transactions.filter(
    ({ purpose, status, blockNumber }) => purpose === "settle" && status === "reverted" && blockNumber !== null,
  );
  return inBlocks.length >= MAX_REVERTED;
}

/** Waits until a block above `number` is known, though not for long. */
export async function untilBlockAbove(head: ChainHead, number: number): Promise<void> {
  if (head.newest.number > number) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const stop = head.onBlock((block) => {
    if (block.number > number) resolve(undefined);
  });
  const timer = new AbortController();
  const timeout = sleep(BLOCK_WAIT_MS, undefined, { signal: timer.signal, ref: false }).catch(() => undefined);
  await Promise.race([promise, timeout]);
  timer.abort();
  stop();
}

async function isRefusedAt(provider: Provider, call: Call & { from: string }, blockTag: number): Promise<boolean> {
  try {
    await provider.call({ ...call, blockTag });
    return false;
  } catch (error) {
    if (isRevert(error)) return true;
    throw error;
  }
}
