import { type ColumnType, type Generated, type GeneratedAlways, type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import type { TaskState } from "#protocol/task.ts";
import type { LostShare } from "./facilitatorClaims.ts";
import { paymentsMigration, type PaymentsTable } from "./paymentsMigration.ts";
import { type AccountsTable, prefundedMigration } from "./prefundedMigration.ts";
import { sponsoredPerTokenMigration } from "./sponsoredPerTokenMigration.ts";
import { batchesMigration, partyReceiptsMigration, type BatchTables } from "./batchesMigration.ts";
import { attemptsMigration } from "./attemptsMigration.ts";
import { claimsMigration } from "./claimsMigration.ts";
import { endedBlockMigration } from "./endedBlockMigration.ts";
import { exposuresMigration } from "./exposuresMigration.ts";
import { uncoveredMigration, type UncoveredTable } from "./uncoveredMigration.ts";
import { sentAtMigration } from "./sentAtMigration.ts";

/** A JSON column: written as text, read as the parsed value. */
type Json = ColumnType<unknown, string, string>;
type NullableJson = ColumnType<unknown, string | null, string | null>;

/** Tables of the facilitator's database, in the names that queries use. */
export interface FacilitatorSchema extends BatchTables {
  /** One row per claimed authorization. */
  tasks: {
    taskId: string;
    payer: string;
    nonce: bigint;
    state: TaskState;
    /** Seconds since 1970. */
    deadline: bigint;
    paymentDigest: string;
    /** The payer's, in the bytes that came first; absent in rows of before there was `upto`. */
    signature: string | null;
    /** Only for a payment of scheme `upto`, seconds since 1970. */
    validAfter: bigint | null;
    /** Whether it is released without a lock, to be captured later. */
    unlocked: boolean;
    /** The chain shows no end of the task before this block. */
    claimedBlock: number | null;
    task: Json;
    release: NullableJson;
    result: NullableJson;
    nodeSignature: string | null;
    /** Body of the error that ended the claim. */
    rejection: NullableJson;
    /** Whether a block that held its end, or its lock, was replaced by one that does not. */
    reorged: Generated<boolean>;
    /** Whether an account pays for it: its signature is the authorizer's over the task, its end is no transaction of its own. */
    prefunded: Generated<boolean>;
    /** Since when a prefunded task has its certificate, seconds since 1970 by our clock. */
    certifiedAt: bigint | null;
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
  /** The outbox: every transaction is here, signed, before anybody else sees it; one row per nonce of a signer. */
  transactions: {
    signer: string;
    nonce: number;
    /** A taskId or a payment digest. */
    subject: string;
    purpose: TransactionPurpose;
    /** Of the newest attempt; of the one that a block holds, once there is one. */
    hash: string;
    raw: string;
    status: "sent" | "included" | "reverted";
    blockNumber: number | null;
    blockHash: string | null;
    gasUsed: bigint | null;
    /** Whether its block is so deep that it is not watched any more. */
    final: Generated<boolean>;
    sentAt: Generated<Date>;
  };
  /** All that was ever signed with a nonce: the same call for more fees, or nothing in its place. */
  attempts: {
    hash: string;
    signer: string;
    nonce: number;
    raw: string;
  };
  /** One row per nonce of a payer that a task or a merchant's payment has taken. */
  claims: {
    payer: string;
    nonce: bigint;
    holder: string;
    token: string;
    amount: bigint;
    exposed: boolean;
    /** The block whose transaction paid it, once it is owed no more. */
    endedBlock: Generated<number | null>;
    sponsored: boolean;
    identifier: string | null;
  };
  /** What is owed under exposed claims, one row per payer and token; only triggers of `claims` write it. */
  exposures: {
    payer: string;
    token: string;
    outstanding: bigint;
  };
  /** One row per authorization that a merchant was paid with. */
  payments: PaymentsTable;
  /** What accounts at this facilitator have paid for. */
  accounts: AccountsTable;
  /** Those of them that batches leave out. */
  uncovered: UncoveredTable;
  /** Charges that could not be collected, one row per claim and share; never pruned. */
  losses: {
    holder: string;
    role: LostShare["role"];
    recipient: string;
    payer: string;
    token: string;
    amount: bigint;
    reason: string;
    recordedAt: GeneratedAlways<Date>;
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
export const facilitatorMigrations: Readonly<Record<string, Migration>> = {
  "001_tasks_and_outbox": tasksAndOutbox,
  "002_claims": claimsMigration,
  "003_payments": paymentsMigration,
  "004_sponsored_per_token": sponsoredPerTokenMigration,
  "005_sent_at": sentAtMigration,
  "006_attempts": attemptsMigration,
  "007_claims_ended_block": endedBlockMigration,
  "008_exposures": exposuresMigration,
  "009_prefunded": prefundedMigration,
  "010_batches": batchesMigration,
  "011_uncovered": uncoveredMigration,
  "012_party_receipts": partyReceiptsMigration,
};

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
