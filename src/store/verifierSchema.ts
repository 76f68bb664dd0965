import { type ColumnType, type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { RefusalReason } from "#protocol/verdict.ts";
import { batchOrderMigration, verifierBatchesMigration, type VerifierBatchTables } from "./verifierBatches.ts";

/** A JSON column: written as text, read as the parsed value. */
type Json = ColumnType<unknown, string, string>;

/** Tables of a verifier's database, in the names that queries use. */
export interface VerifierSchema extends VerifierBatchTables {
  /** What it answered to before it saw the node's result, one row per task. */
  commitments: {
    taskId: string;
    task: Json;
    facilitator: string;
    /** Seconds since 1970. */
    releasedAt: bigint;
    /** Of the release; absent in rows of before there were accounts. */
    paymentDigest: string | null;
    /** Its own answers in order: salted digest, and charge in atomic units as a decimal string. */
    answers: Json;
    /** Keeps the commitment closed until the verdict. */
    salt: string;
    commitment: string;
    /** Seconds since 1970. */
    committedAt: bigint;
    signature: string;
  };
  /** The one verdict on each task; a refusal waits here until the facilitator has it. */
  verdicts: {
    taskId: string;
    resultHash: string;
    result: Json;
    reason: RefusalReason | null;
    /** Whether the facilitator has taken the refusal; always false for agreement. */
    delivered: boolean;
    /** When nobody can use a refusal any more, seconds since 1970. */
    expiresAt: bigint;
  };
  /** Who committed in time to a certified result and was right. */
  rightCommitments: { resultHash: string; verifier: string };
  /** The one division of each epoch's pool that was signed here. */
  signedCounts: { epoch: bigint; counts: Json };
}

const commitmentsVerdictsAndCounts: Migration = {
  async up(db: Kysely<VerifierSchema>) {
    await db.schema
      .createTable("commitments")
      .addColumn("taskId", "text", (column) => column.primaryKey())
      .addColumn("task", "jsonb", (column) => column.notNull())
      .addColumn("facilitator", "text", (column) => column.notNull())
      .addColumn("releasedAt", "bigint", (column) => column.notNull())
      .addColumn("response", "text", (column) => column.notNull())
      .addColumn("charge", "numeric(78, 0)", (column) => column.notNull())
      .addColumn("salt", "text", (column) => column.notNull())
      .addColumn("commitment", "text", (column) => column.notNull())
      .addColumn("committedAt", "bigint", (column) => column.notNull())
      .addColumn("signature", "text", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("verdicts")
      .addColumn("taskId", "text", (column) => column.primaryKey().references("commitments.taskId"))
      .addColumn("resultHash", "text", (column) => column.notNull())
      .addColumn("result", "jsonb", (column) => column.notNull())
      .addColumn("reason", "text")
      .addColumn("delivered", "boolean", (column) => column.notNull())
      .addColumn("expiresAt", "bigint", (column) => column.notNull())
      .execute();
    await sql`create index verdicts_undelivered on verdicts (expires_at) where reason is not null and not delivered`.execute(
      db,
    );
    await db.schema
      .createTable("rightCommitments")
      .addColumn("resultHash", "text", (column) => column.notNull())
      .addColumn("verifier", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("right_commitments_once", ["resultHash", "verifier"])
      .execute();
    await db.schema
      .createTable("signedCounts")
      .addColumn("epoch", "bigint", (column) => column.primaryKey())
      .addColumn("counts", "jsonb", (column) => column.notNull())
      .execute();
  },
};

/** A stream has an answer after each step; until then a task had one. */
const answersAfterEachStep: Migration = {
  async up(db: Kysely<VerifierSchema>) {
    await db.schema.alterTable("commitments").addColumn("answers", "jsonb").execute();
    await sql`update commitments set answers =
      jsonb_build_array(jsonb_build_object('response', response, 'charge', charge::text))`.execute(db);
    await db.schema
      .alterTable("commitments")
      .alterColumn("answers", (column) => column.setNotNull())
      .dropColumn("response")
      .dropColumn("charge")
      .execute();
  },
};

/** Migrations of a verifier's database, by name. */
export const verifierMigrations: Readonly<Record<string, Migration>> = {
  "001_commitments_verdicts_and_counts": commitmentsVerdictsAndCounts,
  "002_answers_after_each_step": answersAfterEachStep,
  "003_batches": verifierBatchesMigration,
  "004_batch_order": batchOrderMigration,
};
