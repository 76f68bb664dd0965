import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/** One row per payer whose account at this facilitator has paid for a task; amounts are atomic units. */
export interface AccountsTable {
  payer: string;
  /** Of the voucher that counts, over the account's whole life. */
  cap: bigint;
  /** Under that cap, in the bytes that came. */
  voucherSignature: string;
  /** Whose signature it is: the account's authorizer then. */
  voucherSigner: string;
  /** All that certificates have charged since there is the account, whether a batch has taken it or not, without what was lost. */
  charged: bigint;
  /** Ceilings of the tasks that are released and have not ended. */
  reserved: bigint;
}

/** Accounts, and the tasks that are paid for by them. */
export const prefundedMigration: Migration = {
  async up(db: Kysely<{ accounts: AccountsTable; tasks: object }>) {
    await db.schema
      .createTable("accounts")
      .addColumn("payer", "text", (column) => column.primaryKey())
      .addColumn("cap", "numeric(78, 0)", (column) => column.notNull())
      .addColumn("voucherSignature", "text", (column) => column.notNull())
      .addColumn("voucherSigner", "text", (column) => column.notNull())
      .addColumn("charged", "numeric(78, 0)", (column) => column.notNull())
      .addColumn("reserved", "numeric(78, 0)", (column) => column.notNull())
      // Written with every call: a new version then finds room beside the old one, and the key's index stays as it is.
      .modifyEnd(sql`with (fillfactor = 50)`)
      .execute();
    await db.schema
      .alterTable("tasks")
      .addColumn("prefunded", "boolean", (column) => column.notNull().defaultTo(false))
      .addColumn("certifiedAt", "bigint")
      .execute();
    await createIndexes(db);
  },
};

/** Thousands of prefunded tasks wait for their batch: who looks for the others' next step must not read them. */
async function createIndexes(db: Kysely<{ accounts: AccountsTable; tasks: object }>): Promise<void> {
  await sql`drop index tasks_unfinished`.execute(db);
  await sql`create index tasks_unfinished on tasks (deadline)
    where not prefunded and state not in ('rejected', 'settled', 'refunded')`.execute(db);
  await sql`create index tasks_reserved on tasks (deadline) where prefunded and state = 'released'`.execute(db);
  await sql`create index tasks_unsettled on tasks (certified_at) where prefunded and state = 'certified'`.execute(db);
}
