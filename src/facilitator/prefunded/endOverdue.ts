import type { Dependencies } from "#facilitator/dependencies.ts";

/** Ends the calls that nobody can certify any more: what was reserved for them is the payers' again, without a transaction. */
export async function endOverdue({ store, head, terms, logger }: Dependencies): Promise<void> {
  let ended: string[];
  do {
    ended = await store.recordOverdue(head.newest.timestamp - terms.settleWindowSeconds);
    for (const taskId of ended) logger.info({ taskId, state: "refunded" }, "task ended");
  } while (ended.length > 0);
}
