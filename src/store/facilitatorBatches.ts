import { type Kysely, type Selectable, sql, type Transaction } from "kysely";
import type { Batch, BatchReceipt } from "#protocol/batch.ts";
import type { BatchCertificate, ReceiptRefusalReason, ShownReceipt } from "#protocol/batchMessages.ts";
import { type Result, resultJson } from "#protocol/result.ts";
import type { BatchState } from "./batchesMigration.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import type { StoredTransaction } from "./facilitatorTransactions.ts";
import { findCertificates, findPartyReceipts, findShownReceipts } from "./batchEvidence.ts";
import { insertReceipts } from "./insertReceipts.ts";

/** A batch as it was shown to verifiers. */
export interface StoredBatch {
  batchId: string;
  batch: Batch;
  state: BatchState;
  /** Joined, of a quorum; `null` until there is one. */
  signatures: string | null;
}

/** A batch about to be shown to verifiers. */
export interface NewBatch {
  batchId: string;
  batch: Batch;
  receipts: readonly BatchReceipt[];
  /** In the order of the receipts. */
  leaves: readonly string[];
}

/** The charge of a prefunded task that no settled batch has. */
export interface UnsettledReceipt {
  payer: string;
  result: Result;
  /** Seconds since 1970. */
  certifiedAt: number;
  /** How often a verifier kept it out of a batch. */
  timesRefused: number;
}

/** A receipt, and what its parties cannot tell from it. */
export interface PartyReceipt {
  receipt: BatchReceipt;
  model: string;
  node: string;
}

/** A receipt that a verifier refused, and when it is asked about again. */
export interface SetAside {
  taskId: string;
  reasons: Readonly<Record<string, ReceiptRefusalReason>>;
  /** Seconds since 1970. */
  retryAt: number;
}

/** The account of a payer as its vouchers have it. */
export interface AccountVoucher {
  payer: string;
  cap: bigint;
  voucherSignature: string;
  voucherSigner: string;
}

/** The batches of the facilitator's store. */
export interface FacilitatorBatches {
  /** Durable write: verifiers may be asked about this batch, in place of the one that they refused receipts of. */
  recordBatch(batch: NewBatch, replaces?: string): Promise<void>;
  /** Durable write: these receipts are left alone for a while. */
  recordSetAside(setAside: readonly SetAside[]): Promise<void>;
  /** Durable write: a quorum has signed it; from now on it has to be settled. */
  recordBatchCertificate(batchId: string, signatures: string): Promise<void>;
  /** Durable write: it is given up, and its receipts are free for another. */
  recordBatchDropped(batchId: string, reason: string): Promise<void>;
  /** Durable write: the chain has it, and so its tasks are settled. */
  recordBatchSettled(batchId: string): Promise<void>;

  /** Batches that are being built or wait for the chain, oldest first. */
  unfinishedBatches(): Promise<StoredBatch[]>;
  findBatch(batchId: string): Promise<StoredBatch | undefined>;
  receiptsOf(batchId: string): Promise<BatchReceipt[]>;
  /** The receipts of a batch that a party pays or is paid by, as far as their tasks are not forgotten. */
  partyReceipts(batchId: string, party: string): Promise<PartyReceipt[]>;
  /** As verifiers are shown them, in the order of their leaves. */
  shownReceipts(batchId: string): Promise<ShownReceipt[]>;
  certificatesOf(taskIds: readonly string[]): Promise<Map<string, BatchCertificate>>;
  /** How often each of these was set aside, and until when; nothing for those that never were. */
  setAsideOf(taskIds: readonly string[]): Promise<Map<string, { times: number; retryAt: number }>>;
  /** The transaction that is to settle it or did. */
  transactionOfBatch(batchId: string): Promise<StoredTransaction | undefined>;
  /** The settled batch that a task is in. */
  settledBatchOf(taskId: string): Promise<StoredBatch | undefined>;
  /** How many charges wait for a batch now, at most `most`, and since when the oldest does. */
  unsettled(now: number, most: number): Promise<{ count: number; oldest: number | null }>;
  /** Charges that wait for a batch now, oldest first, without those of some payers. */
  unsettledReceipts(now: number, most: number, withoutPayers: readonly string[]): Promise<UnsettledReceipt[]>;
  vouchersOf(payers: readonly string[]): Promise<Map<string, AccountVoucher>>;
}

/** The durable writes by name: after any of them the process may die and be started again. */
export const batchWrites = [
  "recordBatch",
  "recordSetAside",
  "recordBatchCertificate",
  "recordBatchDropped",
  "recordBatchSettled",
] as const satisfies readonly (keyof FacilitatorBatches)[];

type Db = Kysely<FacilitatorSchema>;
type Trx = Transaction<FacilitatorSchema>;

export function facilitatorBatches(db: Db): FacilitatorBatches {
  return { ...durableWrites(db), ...readsOfBatches(db), ...readsOfTasks(db) };
}

function durableWrites(db: Db): Pick<FacilitatorBatches, (typeof batchWrites)[number]> {
  return {
    recordBatch: (batch, replaces) => db.transaction().execute((trx) => recordBatch(trx, batch, replaces)),
    recordSetAside: (setAside) => recordSetAside(db, setAside),
    recordBatchCertificate: async (batchId, signatures) => {
      const building = db.updateTable("batches").set({ state: "certified", signatures });
      await building.where("batchId", "=", batchId).where("state", "=", "building").execute();
    },
    recordBatchDropped: async (batchId, reason) => {
      const unfinished = db.updateTable("batches").set({ state: "dropped", reason }).where("batchId", "=", batchId);
      await unfinished.where("state", "in", ["building", "certified"]).execute();
    },
    recordBatchSettled: (batchId) => db.transaction().execute((trx) => recordSettled(trx, batchId)),
  };
}

type ReadOfBatches =
  | "unfinishedBatches"
  | "findBatch"
  | "receiptsOf"
  | "partyReceipts"
  | "shownReceipts"
  | "transactionOfBatch"
  | "settledBatchOf";

function readsOfBatches(db: Db): Pick<FacilitatorBatches, ReadOfBatches> {
  return {
    unfinishedBatches: async () => {
      const unfinished = db.selectFrom("batches").selectAll().where("state", "in", ["building", "certified"]);
      return (await unfinished.orderBy("createdAt").execute()).map(readBatch);
    },
    findBatch: async (batchId) => {
      const row = await db.selectFrom("batches").selectAll().where("batchId", "=", batchId).executeTakeFirst();
      return row && readBatch(row);
    },
    receiptsOf: (batchId) =>
      db
        .selectFrom("batchReceipts")
        .select(["salt", "taskId", "resultHash", "payer", "payout", "amount"])
        .where("batchId", "=", batchId)
        .orderBy("leaf")
        .execute(),
    partyReceipts: (batchId, party) => findPartyReceipts(db, batchId, party),
    shownReceipts: (batchId) => findShownReceipts(db, batchId),
    transactionOfBatch: (batchId) => {
      const ofBatch = db.selectFrom("transactions").selectAll().where("subject", "=", batchId);
      return ofBatch.where("purpose", "=", "batch").where("status", "in", ["sent", "included"]).executeTakeFirst();
    },
    settledBatchOf: (taskId) => findSettledBatchOf(db, taskId),
  };
}

/** What a batch is made of. */
function readsOfTasks(db: Db): Omit<FacilitatorBatches, ReadOfBatches | (typeof batchWrites)[number]> {
  return {
    certificatesOf: (taskIds) => findCertificates(db, taskIds),
    setAsideOf: async (taskIds) => {
      const setAside = db.selectFrom("setAside").select(["taskId", "times", "retryAt"]);
      const rows = await setAside.where(sql<boolean>`task_id = any(${[...taskIds]})`).execute();
      return new Map(rows.map(({ taskId, times, retryAt }) => [taskId, { times, retryAt: Number(retryAt) }]));
    },
    unsettled: (now, most) => countUnsettled(db, now, most),
    unsettledReceipts: (now, most, withoutPayers) => findUnsettled(db, now, most, withoutPayers),
    vouchersOf: (payers) => findVouchers(db, payers),
  };
}

async function recordBatch(trx: Trx, { batchId, batch, receipts, leaves }: NewBatch, replaces?: string): Promise<void> {
  // Nobody holds a certificate of a batch that is still being built.
  if (replaces !== undefined) {
    await trx.deleteFrom("batches").where("batchId", "=", replaces).where("state", "=", "building").execute();
  }
  await trx
    .insertInto("batches")
    .values({ batchId, ...batch, state: "building", signatures: null, reason: null })
    .execute();
  await insertReceipts(trx, batchId, receipts, leaves);
}

async function recordSetAside(db: Db, setAside: readonly SetAside[]): Promise<void> {
  const rows = setAside.map(({ taskId, reasons, retryAt }) => {
    return { taskId, reasons: JSON.stringify(reasons), retryAt: BigInt(retryAt) };
  });
  if (rows.length === 0) return;
  const again = { times: sql<number>`set_aside.times + 1` };
  await db
    .insertInto("setAside")
    .values(rows)
    .onConflict((conflict) =>
      conflict.column("taskId").doUpdateSet((excluded) => ({
        ...again,
        retryAt: excluded.ref("excluded.retryAt"),
        reasons: excluded.ref("excluded.reasons"),
      })),
    )
    .execute();
}

async function recordSettled(trx: Trx, batchId: string): Promise<void> {
  const batch = trx.updateTable("batches").set({ state: "settled", reason: null }).where("batchId", "=", batchId);
  await batch.where("state", "<>", "settled").execute();
  await sql`update tasks t set state = 'settled' from batch_receipts r
    where r.batch_id = ${batchId} and t.task_id = r.task_id and t.state = 'certified'`.execute(trx);
  await sql`delete from set_aside a using batch_receipts r
    where r.batch_id = ${batchId} and a.task_id = r.task_id`.execute(trx);
}

/** A reorganisation took the batch's transaction out: its tasks are owed again, until another block has it. */
export async function takeBackBatch(trx: Trx, batchId: string): Promise<void> {
  const batch = trx.updateTable("batches").set({ state: "certified" }).where("batchId", "=", batchId);
  await batch.where("state", "=", "settled").execute();
  await sql`update tasks t set state = 'certified', reorged = true from batch_receipts r
    where r.batch_id = ${batchId} and t.task_id = r.task_id and t.state = 'settled'`.execute(trx);
}

async function findSettledBatchOf(db: Db, taskId: string): Promise<StoredBatch | undefined> {
  const row = await db
    .selectFrom("batches")
    .innerJoin("batchReceipts", "batchReceipts.batchId", "batches.batchId")
    .selectAll("batches")
    .where("batchReceipts.taskId", "=", taskId)
    .where("state", "=", "settled")
    .executeTakeFirst();
  return row && readBatch(row);
}

/** Charges that a batch may take now: no verifier has just refused them, and their account was not left out. */
const waiting = (now: number) =>
  sql<boolean>`t.prefunded and t.state = 'certified' and coalesce(a.retry_at, 0) <= ${now}
    and not exists (select from uncovered u where u.payer = t.payer)`;

async function countUnsettled(db: Db, now: number, most: number): Promise<{ count: number; oldest: number | null }> {
  const { rows } = await sql<{ count: bigint; oldest: bigint | null }>`
    select count(*) as count, min(certified_at) as oldest from (
      select t.certified_at from tasks t left join set_aside a on a.task_id = t.task_id
      where ${waiting(now)} order by t.certified_at limit ${most}) waiting`.execute(db);
  const { count = 0n, oldest = null } = rows[0] ?? {};
  return { count: Number(count), oldest: oldest === null ? null : Number(oldest) };
}

async function findUnsettled(
  db: Db,
  now: number,
  most: number,
  withoutPayers: readonly string[],
): Promise<UnsettledReceipt[]> {
  const { rows } = await sql<{ payer: string; result: unknown; certifiedAt: bigint; times: number | null }>`
    select t.payer, t.result, t.certified_at, a.times
    from tasks t left join set_aside a on a.task_id = t.task_id
    where ${waiting(now)} and t.payer <> all(${[...withoutPayers]}) order by t.certified_at limit ${most}`.execute(db);
  return rows.map(({ payer, result, certifiedAt, times }) => ({
    payer,
    result: resultJson.parse(result),
    certifiedAt: Number(certifiedAt),
    timesRefused: times ?? 0,
  }));
}

async function findVouchers(db: Db, payers: readonly string[]): Promise<Map<string, AccountVoucher>> {
  const rows = await db
    .selectFrom("accounts")
    .select(["payer", "cap", "voucherSignature", "voucherSigner"])
    .where(sql<boolean>`payer = any(${[...payers]})`)
    .execute();
  return new Map(rows.map((row) => [row.payer, row]));
}

function readBatch(row: Selectable<FacilitatorSchema["batches"]>): StoredBatch {
  const { batchId, facilitator, previous, root, debits, credits, epoch, state, signatures } = row;
  return { batchId, batch: { facilitator, previous, root, debits, credits, epoch }, state, signatures };
}
