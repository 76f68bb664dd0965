import { sql, type Transaction } from "kysely";
import type { BatchReceipt } from "#protocol/batch.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

/** Writes a batch's receipts, each under its leaf. One array per column: a statement takes 65,535 values at most. */
export async function insertReceipts(
  trx: Transaction<FacilitatorSchema>,
  batchId: string,
  receipts: readonly BatchReceipt[],
  leaves: readonly string[],
): Promise<void> {
  const column = (name: keyof BatchReceipt): string[] => receipts.map((receipt) => receipt[name].toString());
  const texts = [leaves, column("taskId"), column("resultHash"), column("salt"), column("payer"), column("payout")];
  await sql`insert into batch_receipts (batch_id, leaf, task_id, result_hash, salt, payer, payout, amount)
    select ${batchId}, * from unnest(${sql.join(texts.map((text) => sql`${[...text]}::text[]`))},
      ${column("amount")}::numeric[])`.execute(trx);
}
