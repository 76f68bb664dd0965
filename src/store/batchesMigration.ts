import { type Generated, type GeneratedAlways, type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/**
 * Where a batch stands: `building` until a quorum has signed it, `certified` until the chain has it, then `settled`. `dropped`
 * where it is given up; it may be settled all the same as long as its transaction can get into a block.
 */
export type BatchState = "building" | "certified" | "settled" | "dropped";

/** One row per batch that verifiers were asked about. */
export interface BatchesTable {
  batchId: string;
  facilitator: string;
  previous: string;
  root: string;
  /** Digests of the sums, as in the signed batch. */
  debits: string;
  credits: string;
  epoch: bigint;
  state: BatchState;
  /** Joined, of a quorum of `epoch`. */
  signatures: string | null;
  /** Why it was given up. */
  reason: string | null;
  createdAt: GeneratedAlways<Date>;
}

/** One row per receipt of a batch under its leaf, which is the receipt's digest; never pruned. Amounts are atomic units. */
export interface BatchReceiptsTable {
  leaf: string;
  batchId: string;
  taskId: string;
  resultHash: string;
  salt: string;
  payer: string;
  payout: string;
  amount: bigint;
}

/** Receipts that a verifier refused: they are asked about again, later each time. */
export interface SetAsideTable {
  taskId: string;
  /** Seconds since 1970. */
  retryAt: bigint;
  times: Generated<number>;
  /** What verifiers said, as `{verifier: reason}`. */
  reasons: string;
}

/** The tables of the facilitator's batches. */
export interface BatchTables {
  batches: BatchesTable;
  batchReceipts: BatchReceiptsTable;
  setAside: SetAsideTable;
}

/** Batches, their receipts, and what they leave out. */
export const batchesMigration: Migration = {
  async up(db: Kysely<BatchTables>) {
    await createBatches(db);
    await createReceipts(db);
    await db.schema
      .createTable("setAside")
      .addColumn("taskId", "text", (column) => column.primaryKey())
      .addColumn("retryAt", "bigint", (column) => column.notNull())
      .addColumn("times", "integer", (column) => column.notNull().defaultTo(1))
      .addColumn("reasons", "text", (column) => column.notNull())
      .execute();
  },
};

/** Each party's own, without a look at the others'; either serves for all of a batch as well. */
export const partyReceiptsMigration: Migration = {
  async up(db: Kysely<BatchTables>) {
    await sql`create index batch_receipts_of_payer on batch_receipts (batch_id, payer)`.execute(db);
    await sql`create index batch_receipts_of_payout on batch_receipts (batch_id, payout)`.execute(db);
    await sql`drop index batch_receipts_of_batch`.execute(db);
  },
};

async function createBatches(db: Kysely<BatchTables>): Promise<void> {
  await db.schema
    .createTable("batches")
    .addColumn("batchId", "text", (column) => column.primaryKey())
    .addColumn("facilitator", "text", (column) => column.notNull())
    .addColumn("previous", "text", (column) => column.notNull())
    .addColumn("root", "text", (column) => column.notNull())
    .addColumn("debits", "text", (column) => column.notNull())
    .addColumn("credits", "text", (column) => column.notNull())
    .addColumn("epoch", "bigint", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("signatures", "text")
    .addColumn("reason", "text")
    .addColumn("createdAt", "timestamptz", (column) => column.notNull().defaultTo(sql`now()`))
    .execute();
  await sql`create index batches_unfinished on batches (created_at) where state in ('building', 'certified')`.execute(
    db,
  );
}

async function createReceipts(db: Kysely<BatchTables>): Promise<void> {
  await db.schema
    .createTable("batchReceipts")
    .addColumn("leaf", "text", (column) => column.primaryKey())
    .addColumn("batchId", "text", (column) => column.notNull().references("batches.batchId").onDelete("cascade"))
    .addColumn("taskId", "text", (column) => column.notNull())
    .addColumn("resultHash", "text", (column) => column.notNull())
    .addColumn("salt", "text", (column) => column.notNull())
    .addColumn("payer", "text", (column) => column.notNull())
    .addColumn("payout", "text", (column) => column.notNull())
    .addColumn("amount", "numeric(78, 0)", (column) => column.notNull())
    .execute();
  await sql`create index batch_receipts_of_batch on batch_receipts (batch_id)`.execute(db);
  await sql`create index batch_receipts_of_task on batch_receipts (task_id)`.execute(db);
}
