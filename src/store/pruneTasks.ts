import { type Kysely, sql } from "kysely";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

const TASKS_AT_ONCE = 500;

/**
 * Forgets tasks that have ended and were due before then, with their claims, verdicts and transactions. What is unfinished
 * stays, a transaction on its way included; and so does every loss.
 *
 * @returns how many
 */
export function pruneTasks(db: Kysely<FacilitatorSchema>, dueBeforeSeconds: number): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const onTheirWay = trx.selectFrom("transactions").select("subject").where("status", "=", "sent");
    const ended = await trx
      .selectFrom("tasks")
      .select("taskId")
      .where("state", "in", ["rejected", "settled", "refunded"])
      .where("deadline", "<", BigInt(dueBeforeSeconds))
      .where("taskId", "not in", onTheirWay)
      .limit(TASKS_AT_ONCE)
      .forUpdate()
      .skipLocked()
      .execute();
    const taskIds = ended.map(({ taskId }) => taskId);
    if (taskIds.length === 0) return 0;
    await trx.deleteFrom("verdicts").where("taskId", "in", taskIds).execute();
    await trx.deleteFrom("transactions").where("subject", "in", taskIds).where(hasSuccessor).execute();
    await trx.deleteFrom("claims").where("holder", "in", taskIds).execute();
    await trx.deleteFrom("tasks").where("taskId", "in", taskIds).execute();
    return taskIds.length;
  });
}

/** The transaction with a signer's highest nonce stays, so that no nonce is ever given out twice. */
export const hasSuccessor = sql<boolean>`nonce < (select max(nonce) from transactions t where t.signer = transactions.signer)`;
