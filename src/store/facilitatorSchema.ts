import { type ColumnType, type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import type { TaskState } from "#protocol/task.ts";

/** A JSON column: written as text, read as the parsed value. */
type Json = ColumnType<unknown, string, string>;
type NullableJson = ColumnType<unknown, string | null, string | null>;

/** Tables of the facilitator's database, in the names that queries use. */
export interface FacilitatorSchema {
  /** One row per claimed authorization. */
  tasks: {
    taskId: string;
    payer: string;
    nonce: bigint;
    state: TaskState;
    /** Seconds since 1970. */
    deadline: bigint;
    paymentDigest: string;
    task: Json;
    release: NullableJson;
    result: NullableJson;
    nodeSignature: string | null;
    /** Body of the error that ended the claim. */
    rejection: NullableJson;
  };
  /** What verifiers said, one row per verifier and result. */
  verdicts: {
    taskId: string;
    resultHash: string;
    verifier: string;
    agrees: boolean;
    epoch: bigint;
    result: Json;
    verdict: Json;
  };
  /** The outbox: every transaction is here, signed, before anybody else sees it. */
  transactions: {
    signer: string;
    nonce: number;
    taskId: string;
    purpose: TransactionPurpose;
    hash: string;
    raw: string;
    status: "sent" | "included" | "reverted";
    blockNumber: number | null;
    gasUsed: bigint | null;
  };
}

type Db = Kysely<FacilitatorSchema>;

const tasksAndOutbox: Migration = {
  async up(db: Db) {
    await createTasks(db);
    await createVerdicts(db);
    await createTransactions(db);
  },
};

/** Migrations of the facilitator's database, by name. */
export const facilitatorMigrations: Readonly<Record<string, Migration>> = { "001_tasks_and_outbox": tasksAndOutbox };

async function createTasks(db: Db): Promise<void> {
  await db.schema
    .createTable("tasks")
    .addColumn("taskId", "text", (column) => column.primaryKey())
    .addColumn("payer", "text", (column) => column.notNull())
    .addColumn("nonce", "numeric(78, 0)", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("deadline", "bigint", (column) => column.notNull())
    .addColumn("paymentDigest", "text", (column) => column.notNull())
    .addColumn("task", "jsonb", (column) => column.notNull())
    .addColumn("release", "jsonb")
    .addColumn("result", "jsonb")
    .addColumn("nodeSignature", "text")
    .addColumn("rejection", "jsonb")
    .execute();
  // A rejected claim locked nothing, so its nonce may fund another task.
  await sql`create unique index tasks_payer_nonce on tasks (payer, nonce) where state <> 'rejected'`.execute(db);
  await sql`create index tasks_unfinished on tasks (deadline) where state not in ('rejected', 'settled', 'refunded')`.execute(
    db,
  );
}

async function createVerdicts(db: Db): Promise<void> {
  await db.schema
    .createTable("verdicts")
    .addColumn("taskId", "text", (column) => column.notNull().references("tasks.taskId"))
    .addColumn("resultHash", "text", (column) => column.notNull())
    .addColumn("verifier", "text", (column) => column.notNull())
    .addColumn("agrees", "boolean", (column) => column.notNull())
    .addColumn("epoch", "bigint", (column) => column.notNull())
    .addColumn("result", "jsonb", (column) => column.notNull())
    .addColumn("verdict", "jsonb", (column) => column.notNull())
    .addPrimaryKeyConstraint("verdicts_once", ["taskId", "resultHash", "verifier", "agrees", "epoch"])
    .execute();
}

async function createTransactions(db: Db): Promise<void> {
  await db.schema
    .createTable("transactions")
    .addColumn("signer", "text", (column) => column.notNull())
    .addColumn("nonce", "integer", (column) => column.notNull())
    .addColumn("taskId", "text", (column) => column.notNull().references("tasks.taskId"))
    .addColumn("purpose", "text", (column) => column.notNull())
    .addColumn("hash", "text", (column) => column.notNull().unique())
    .addColumn("raw", "text", (column) => column.notNull())
    .addColumn("status", "text", (column) => column.notNull())
    .addColumn("blockNumber", "integer")
    .addColumn("gasUsed", "numeric(78, 0)")
    .addPrimaryKeyConstraint("transactions_nonce_once", ["signer", "nonce"])
    .execute();
  await sql`create index transactions_of_task on transactions (task_id)`.execute(db);
  await sql`create unique index transactions_once on transactions (task_id, purpose) where status <> 'reverted'`.execute(
    db,
  );
}
