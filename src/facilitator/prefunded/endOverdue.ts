import type { Dependencies } from "#facilitator/dependencies.ts";

/** Ends the calls that nobody can certify any more: what was reserved for them is the payers' again, without a transaction. */
export async function endOverdue({ store, head, terms, logger }: Dependencies): Promise<void> {
  for (;;) {
    const overdue = await store.overdueCalls(head.newest.timestamp - terms.settleWindowSeconds);
    if (overdue.length === 0) return;
    for (const taskId of await store.recordOverdue(overdue)) logger.info({ taskId, state: "refunded" }, "task ended");
  }
}
