import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { RefusalReason } from "#protocol/verdict.ts";
import type { VerifierSchema } from "./verifierSchema.ts";

/** The tables of a verifier's batches. */
export interface VerifierBatchTables {
  /** Which receipts it was asked to sign in which batches; a receipt may be in several of which one at most is settled. */
  batchReceipts: { taskId: string; batchId: string; resultHash: string };
  /** The batches whose receipts, and all before whose, are recorded. */
  batches: {
    batchId: string;
    /** Its facilitator's batch before it; 32 zero bytes where it is the first. */
    previous: string;
    /** One more than that of the batch before; 1 of the first. */
    height: number;
  };
}

/** What a verifier knows of a task by its own work, for a receipt. */
export interface JudgedTask {
  taskId: string;
  payer: string;
  facilitator: string;
  /** Of the release; `null` for tasks of before it was kept, none of which was prefunded. */
  paymentDigest: string | null;
  resultHash: string;
  payout: string;
  /** Atomic units. */
  amount: bigint;
  /** Why the result was refused; `null` where it was agreed with. */
  reason: RefusalReason | null;
}

/** Which result of a task a receipt is about. */
export interface BatchedResult {
  taskId: string;
  resultHash: string;
}

/** The batches of a verifier's store. */
export interface VerifierBatches {
  /** Durable write: these receipts may from now on be settled by this batch. The batch before it has to be known. */
  recordBatchReceipts(batchId: string, previous: string, receipts: readonly BatchedResult[]): Promise<void>;
  /** Whether the receipts of this batch were recorded, and where it stands. */
  knowsBatch(batchId: string): Promise<boolean>;
  /** Digests of the results that these batches pay for. */
  resultsIn(batchIds: readonly string[]): Promise<string[]>;
  /** Which of these tasks have a receipt in the batch `head` or in one before it. */
  settledUpTo(head: string, taskIds: readonly string[]): Promise<string[]>;
  /** The verdicts that there are on these tasks. */
  judgedTasks(taskIds: readonly string[]): Promise<Map<string, JudgedTask>>;
}

/** The durable writes by name: after any of them the process may die and be started again. */
export const verifierBatchWrites = ["recordBatchReceipts"] as const satisfies readonly (keyof VerifierBatches)[];

export const verifierBatchesMigration: Migration = {
  async up(db: Kysely<VerifierBatchTables>) {
    await db.schema.alterTable("commitments").addColumn("paymentDigest", "text").execute();
    await db.schema
      .createTable("batchReceipts")
      .addColumn("taskId", "text", (column) => column.notNull())
      .addColumn("batchId", "text", (column) => column.notNull())
      .addColumn("resultHash", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("batch_receipts_once", ["taskId", "batchId"])
      .execute();
    await sql`create index batch_receipts_of_batch on batch_receipts (batch_id)`.execute(db);
  },
};

/** What was recorded before it does not say where it stands: facilitators show it again. */
export const batchOrderMigration: Migration = {
  async up(db: Kysely<VerifierBatchTables>) {
    await db.schema
      .createTable("batches")
      .addColumn("batchId", "text", (column) => column.primaryKey())
      .addColumn("previous", "text", (column) => column.notNull())
      .addColumn("height", "integer", (column) => column.notNull())
      .execute();
  },
};

export function verifierBatches(db: Kysely<VerifierSchema>): VerifierBatches {
  return {
    recordBatchReceipts: async (batchId, previous, receipts) => {
      const [taskIds, results] = [receipts.map(({ taskId }) => taskId), receipts.map(({ resultHash }) => resultHash)];
      await sql`with batch as (
          insert into batches (batch_id, previous, height)
          select ${batchId}, ${previous}, 1 + coalesce((select height from batches where batch_id = ${previous}), 0)
          on conflict do nothing)
        insert into batch_receipts (batch_id, task_id, result_hash)
        select ${batchId}, * from unnest(${taskIds}::text[], ${results}::text[]) on conflict do nothing`.execute(db);
    },
    knowsBatch: async (batchId) => {
      const known = db.selectFrom("batches").select("height").where("batchId", "=", batchId);
      return (await known.executeTakeFirst()) !== undefined;
    },
    resultsIn: async (batchIds) => {
      const rows = await db
        .selectFrom("batchReceipts")
        .select("resultHash")
        .where(sql<boolean>`batch_id = any(${[...batchIds]})`)
        .execute();
      return rows.map(({ resultHash }) => resultHash);
    },
    settledUpTo: (head, taskIds) => findSettled(db, head, taskIds),
    judgedTasks: (taskIds) => findJudged(db, taskIds),
  };
}

/** Goes back from the head as far as the oldest batch that any of the receipts is in, and not at all where none is in any. */
async function findSettled(db: Kysely<VerifierSchema>, head: string, taskIds: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ taskId: string }>`with recursive
    asked as (
      select r.task_id, r.batch_id, b.height from batch_receipts r join batches b on b.batch_id = r.batch_id
      where r.task_id = any(${[...taskIds]})),
    settled as (
      select batch_id, previous from batches where batch_id = ${head}
      union all
      select b.batch_id, b.previous from settled s join batches b on b.batch_id = s.previous
      where b.height >= (select min(height) from asked))
    select distinct task_id from asked where batch_id in (select batch_id from settled)`.execute(db);
  return rows.map(({ taskId }) => taskId);
}

/** Read by their fields: to parse ten thousand whole tasks takes seconds. */
async function findJudged(db: Kysely<VerifierSchema>, taskIds: readonly string[]): Promise<Map<string, JudgedTask>> {
  const rows = await db
    .selectFrom("verdicts")
    .innerJoin("commitments", "commitments.taskId", "verdicts.taskId")
    .select(["verdicts.taskId", "commitments.facilitator", "commitments.paymentDigest"])
    .select(["verdicts.resultHash", "verdicts.reason"])
    .select([
      sql<string>`commitments.task ->> 'payer'`.as("payer"),
      sql<string>`verdicts.result ->> 'payout'`.as("payout"),
      sql<bigint>`(verdicts.result ->> 'amount')::numeric`.as("amount"),
    ])
    .where(sql<boolean>`verdicts.task_id = any(${[...taskIds]})`)
    .execute();
  return new Map(rows.map((row) => [row.taskId, row]));
}
