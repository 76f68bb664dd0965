import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/** One row per account that did not cover what it was charged when a batch was built. Amounts are atomic units. */
export interface UncoveredTable {
  payer: string;
  /** What was missing, in one `snake_case` word. */
  reason: string;
  /** What the batch left out. */
  amount: bigint;
  /** Seconds since 1970. */
  since: bigint;
  /** What nobody can collect any more. */
  lost: bigint;
}

/** Accounts that batches leave out. */
export const uncoveredMigration: Migration = {
  async up(db: Kysely<{ uncovered: UncoveredTable }>) {
    await db.schema
      .createTable("uncovered")
      .addColumn("payer", "text", (column) => column.primaryKey())
      .addColumn("reason", "text", (column) => column.notNull())
      .addColumn("amount", "numeric(78, 0)", (column) => column.notNull())
      .addColumn("since", "bigint", (column) => column.notNull())
      .addColumn("lost", "numeric(78, 0)", (column) => column.notNull().defaultTo(sql`0`))
      .execute();
  },
};
