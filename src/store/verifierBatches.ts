import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { RefusalReason } from "#protocol/verdict.ts";
import type { VerifierSchema } from "./verifierSchema.ts";

/** The tables of a verifier's batches. */
export interface VerifierBatchTables {
  /** Which receipts it was asked to sign in which batches; a receipt may be in several of which one at most is settled. */
  batchReceipts: { taskId: string; batchId: string; resultHash: string };
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
  /** Durable write: these receipts may from now on be settled by this batch. */
  recordBatchReceipts(batchId: string, receipts: readonly BatchedResult[]): Promise<void>;
  /** Whether the receipts of this batch were recorded. */
  knowsBatch(batchId: string): Promise<boolean>;
  /** Digests of the results that these batches pay for. */
  resultsIn(batchIds: readonly string[]): Promise<string[]>;
  /** Which other batches some of these receipts may be settled by, and which receipts each of them has. */
  otherBatchesOf(batchId: string, taskIds: readonly string[]): Promise<Map<string, string[]>>;
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

export function verifierBatches(db: Kysely<VerifierSchema>): VerifierBatches {
  return {
    recordBatchReceipts: async (batchId, receipts) => {
      const [taskIds, results] = [receipts.map(({ taskId }) => taskId), receipts.map(({ resultHash }) => resultHash)];
      await sql`insert into batch_receipts (batch_id, task_id, result_hash)
        select ${batchId}, * from unnest(${taskIds}::text[], ${results}::text[]) on conflict do nothing`.execute(db);
    },
    knowsBatch: async (batchId) => {
      const known = db.selectFrom("batchReceipts").select("taskId").where("batchId", "=", batchId).limit(1);
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
    otherBatchesOf: async (batchId, taskIds) => {
      const rows = await db
        .selectFrom("batchReceipts")
        .select(["taskId", "batchId"])
        .where(sql<boolean>`task_id = any(${[...taskIds]})`)
        .where("batchId", "<>", batchId)
        .execute();
      const ofBatch = Map.groupBy(rows, (row) => row.batchId);
      return new Map([...ofBatch].map(([other, receipts]) => [other, receipts.map(({ taskId }) => taskId)]));
    },
    judgedTasks: (taskIds) => findJudged(db, taskIds),
  };
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
