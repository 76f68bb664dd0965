import { setTimeout as sleep } from "node:timers/promises";
import type { Provider } from "ethers";
import { readBooks, readMovements } from "./books.ts";
import { type Finding, hasEnded, judgePayment } from "./judgePayment.ts";
import type { MerchantPayment } from "./merchantPayment.ts";
import type { ChaosProcesses } from "./processes.ts";
import { compareTasks } from "./taskBooks.ts";
import type { TaskPurchase } from "./taskPurchase.ts";

/** Everything has to have its end so long after the merchants have their answers. */
const ENDING_SECONDS = 75;
const POLL_MS = 400;
/** Longer than any reorg of a trial takes back. */
const BURIED_MS = 2_000;

/** What a trial set going. */
export interface Work {
  payments: readonly MerchantPayment[];
  purchases: readonly TaskPurchase[];
  /** Before the first of it. */
  fromBlock: number;
}

/**
 * Compares the books with the chain until nothing differs, and has not for as long as a reorg could change it.
 *
 * @returns what still differs when all the time is over
 */
export async function audit(processes: ChaosProcesses, chain: Provider, work: Work): Promise<Finding[]> {
  const lastTry = Date.now() + ENDING_SECONDS * 1000;
  let soundSince: number | undefined;
  for (;;) {
    const isLast = Date.now() > lastTry;
    const findings = await compare(processes, chain, work, isLast).catch((error: unknown) => {
      // In the middle of a reorg the chain does not know its own newest block.
      if (isLast) throw error;
      return undefined;
    });
    const now = Date.now();
    soundSince = findings?.length === 0 ? (soundSince ?? now) : undefined;
    if (soundSince !== undefined && now - soundSince >= BURIED_MS) return [];
    if (isLast && findings) return findings;
    await sleep(POLL_MS);
  }
}

/** @returns nothing while something has not ended, unless that is to be told as well */
async function compare(
  { books, network }: ChaosProcesses,
  chain: Provider,
  { payments, purchases, fromBlock }: Work,
  isLast: boolean,
): Promise<Finding[] | undefined> {
  const written = await readBooks(books, payments);
  if (!isLast && ![...written.values()].every(hasEnded)) return undefined;
  const moved = await readMovements(network, chain, payments, fromBlock);
  const judged = payments.flatMap((payment, index) => {
    const { digest } = payment;
    const book = written.get(digest) ?? { isExposed: false, onTheirWay: 0 };
    const found = judgePayment(payment, book, moved.get(digest) ?? []);
    return found.map(({ kind, words }) => ({ kind, words: `payment ${index + 1} (${digest}): ${words}` }));
  });
  return [...judged, ...(await compareTasks(books, chain, network, purchases, fromBlock))];
}
