import { type Insertable, type InsertQueryBuilder, type InsertResult, type Kysely, type Selectable, sql } from "kysely";
import { z } from "zod";
import { address, bytes32, uint } from "#protocol/hex.ts";
import { type Result, resultJson, resultToJson } from "#protocol/result.ts";
import { type Task, taskJson, taskToJson } from "#protocol/task.ts";
import type { RefusalReason } from "#protocol/verdict.ts";
import type { Logger } from "#service/logger.ts";
import type { ObservedDatabase } from "#service/watchDatabase.ts";
import { openDatabase } from "./openDatabase.ts";
import { type VerifierBatches, verifierBatches } from "./verifierBatches.ts";
import { verifierMigrations, type VerifierSchema } from "./verifierSchema.ts";

/** An answer of the verifier's own to a task. */
export interface OwnAnswer {
  /** Salted digest. */
  response: string;
  /** Atomic units. */
  charge: bigint;
}

/** A commitment with everything that it takes to open it and to judge the node's result by it. */
export interface StoredCommitment {
  taskId: string;
  task: Task;
  facilitator: string;
  /** Seconds since 1970. */
  releasedAt: number;
  /** Of the release; `null` in commitments of before it was kept. */
  paymentDigest: string | null;
  /** One; of a stream those after 0, 1, ... steps. */
  answers: OwnAnswer[];
  salt: string;
  commitment: string;
  /** Seconds since 1970. */
  committedAt: number;
  signature: string;
}

/** The one verdict on a task: agreement where `reason` is null. */
export interface StoredVerdict {
  taskId: string;
  resultHash: string;
  result: Result;
  reason: RefusalReason | null;
  /** Until then a refusal is of use to the facilitator, seconds since 1970. */
  expiresAt: number;
}

/** How often each verifier of an epoch committed in time and was right; same length, verifiers ascending. */
export interface EpochCounts {
  epoch: bigint;
  verifiers: string[];
  counts: number[];
}

/**
 * What a verifier must not forget. Each `record` method is one durable write that is done when it resolves; where a row
 * was there before, that row stands and is returned, so that nothing is ever signed that contradicts it.
 */
export interface VerifierStore extends VerifierBatches {
  recordCommitment(commitment: StoredCommitment): Promise<StoredCommitment>;
  recordVerdict(verdict: StoredVerdict): Promise<StoredVerdict>;
  recordRefusalDelivery(taskId: string): Promise<void>;
  recordRightCommitments(resultHash: string, verifiers: readonly string[]): Promise<void>;
  recordSignedCounts(counts: EpochCounts): Promise<EpochCounts>;

  commitment(taskId: string): Promise<StoredCommitment | undefined>;
  verdict(taskId: string): Promise<StoredVerdict | undefined>;
  /** Refusals that the facilitator has not taken yet and that are still of use at `now`, the most urgent first. */
  undeliveredRefusals(now: number): Promise<StoredVerdict[]>;
  /** How many verdicts there are of each kind. */
  verdictCounts(): Promise<{ agreed: number; refused: number }>;
  /** How many of these results each verifier committed to in time and rightly. */
  rightCommitmentCounts(resultHashes: readonly string[]): Promise<Map<string, number>>;
  signedCounts(epoch: bigint): Promise<EpochCounts | undefined>;

  /**
   * Forgets commitments to tasks that were due before then, with their verdicts. Who was right stays: an epoch's pool may
   * still be divided by it. So does a refusal that the facilitator has not taken, for as long as it is of use.
   *
   * @returns how many
   */
  prune(dueBeforeSeconds: number): Promise<number>;
  observed: ObservedDatabase;
  close(): Promise<void>;
}

/** The durable writes by name: after any of them the process may die and be started again. */
export const verifierWrites = [
  "recordCommitment",
  "recordVerdict",
  "recordRefusalDelivery",
  "recordRightCommitments",
  "recordSignedCounts",
] as const satisfies readonly (keyof VerifierStore)[];

type WriteName = (typeof verifierWrites)[number];

/**
 * Opens a verifier's database.
 *
 * @param url - `postgresql://user:password@host:port/database`
 * @throws OpgError `configuration` when it cannot be used
 */
export async function openVerifierStore(url: string, logger: Logger): Promise<VerifierStore> {
  const { db, observed, close } = await openDatabase<VerifierSchema>(url, verifierMigrations, logger);
  return {
    ...reads(db),
    ...durableWrites(db),
    ...verifierBatches(db),
    prune: (before) => prune(db, before),
    observed,
    close,
  };
}

function durableWrites(db: Kysely<VerifierSchema>): Pick<VerifierStore, WriteName> {
  return {
    recordCommitment: async (commitment) => {
      await insertOnce(db, "commitments", commitmentColumns(commitment));
      return readCommitment(await commitmentRow(db, commitment.taskId).executeTakeFirstOrThrow());
    },
    recordVerdict: async (verdict) => {
      await insertOnce(db, "verdicts", verdictColumns(verdict));
      return readVerdict(await verdictRow(db, verdict.taskId).executeTakeFirstOrThrow());
    },
    recordRefusalDelivery: async (taskId) => {
      await db.updateTable("verdicts").set({ delivered: true }).where("taskId", "=", taskId).execute();
    },
    recordRightCommitments: async (resultHash, verifiers) => {
      const rows = verifiers.map((verifier) => ({ resultHash, verifier }));
      if (rows.length > 0) await insertOnce(db, "rightCommitments", rows);
    },
    recordSignedCounts: async ({ epoch, verifiers, counts }) => {
      await insertOnce(db, "signedCounts", { epoch, counts: JSON.stringify({ verifiers, counts }) });
      return readCounts(await countsRow(db, epoch).executeTakeFirstOrThrow());
    },
  };
}

/** Inserts rows; those whose key is there already stay as they are. */
async function insertOnce<Table extends keyof VerifierSchema>(
  db: Kysely<VerifierSchema>,
  table: Table,
  rows: Parameters<InsertQueryBuilder<VerifierSchema, Table, InsertResult>["values"]>[0],
): Promise<void> {
  const insert = db.insertInto(table).values(rows);
  await insert.onConflict((conflict) => conflict.doNothing()).execute();
}

function reads(
  db: Kysely<VerifierSchema>,
): Omit<VerifierStore, WriteName | keyof VerifierBatches | "prune" | "observed" | "close"> {
  return {
    commitment: async (taskId) => optional(await commitmentRow(db, taskId).executeTakeFirst(), readCommitment),
    verdict: async (taskId) => optional(await verdictRow(db, taskId).executeTakeFirst(), readVerdict),
    signedCounts: async (epoch) => optional(await countsRow(db, epoch).executeTakeFirst(), readCounts),
    undeliveredRefusals: async (now) => {
      const rows = await db
        .selectFrom("verdicts")
        .selectAll()
        .where("reason", "is not", null)
        .where("delivered", "=", false)
        .where("expiresAt", ">", BigInt(now))
        .orderBy("expiresAt")
        .limit(MAX_REFUSALS_AT_ONCE)
        .execute();
      return rows.map(readVerdict);
    },
    verdictCounts: async () => {
      const all = sql<bigint>`count(*)`.as("all");
      const agreed = sql<bigint>`count(*) filter (where reason is null)`.as("agreed");
      const row = await db.selectFrom("verdicts").select([agreed, all]).executeTakeFirstOrThrow();
      return { agreed: Number(row.agreed), refused: Number(row.all - row.agreed) };
    },
    rightCommitmentCounts: async (resultHashes) => {
      const rows = await db
        .selectFrom("rightCommitments")
        .select(["verifier", sql<bigint>`count(*)`.as("count")])
        .where(sql<boolean>`result_hash = any(${[...resultHashes]})`)
        .groupBy("verifier")
        .execute();
      return new Map(rows.map(({ verifier, count }) => [verifier, Number(count)]));
    },
  };
}

function prune(db: Kysely<VerifierSchema>, dueBeforeSeconds: number): Promise<number> {
  const before = BigInt(dueBeforeSeconds);
  return db.transaction().execute(async (trx) => {
    const due = trx
      .selectFrom("commitments")
      .select("taskId")
      .where(sql<bigint>`(task ->> 'deadline')::bigint`, "<", before);
    const used = trx.deleteFrom("verdicts").where("taskId", "in", due);
    await used
      .where((where) =>
        where.or([where("reason", "is", null), where("delivered", "=", true), where("expiresAt", "<", before)]),
      )
      .execute();
    const left = trx.selectFrom("verdicts").select("taskId");
    const { numDeletedRows } = await trx
      .deleteFrom("commitments")
      .where("taskId", "in", due)
      .where("taskId", "not in", left)
      .executeTakeFirst();
    return Number(numDeletedRows);
  });
}

const MAX_REFUSALS_AT_ONCE = 100;

const commitmentRow = (db: Kysely<VerifierSchema>, taskId: string) =>
  db.selectFrom("commitments").selectAll().where("taskId", "=", taskId);
const verdictRow = (db: Kysely<VerifierSchema>, taskId: string) =>
  db.selectFrom("verdicts").selectAll().where("taskId", "=", taskId);
const countsRow = (db: Kysely<VerifierSchema>, epoch: bigint) =>
  db.selectFrom("signedCounts").selectAll().where("epoch", "=", epoch);

function optional<Row, Value>(row: Row | undefined, read: (row: Row) => Value): Value | undefined {
  return row === undefined ? undefined : read(row);
}

function commitmentColumns(commitment: StoredCommitment): Insertable<VerifierSchema["commitments"]> {
  const { task, releasedAt, committedAt, answers, ...columns } = commitment;
  const times = { releasedAt: BigInt(releasedAt), committedAt: BigInt(committedAt) };
  const written = answers.map(({ response, charge }) => ({ response, charge: charge.toString() }));
  return { ...columns, ...times, task: JSON.stringify(taskToJson(task)), answers: JSON.stringify(written) };
}

function verdictColumns({ result, expiresAt, ...columns }: StoredVerdict): Insertable<VerifierSchema["verdicts"]> {
  const written = { result: JSON.stringify(resultToJson(result)), expiresAt: BigInt(expiresAt) };
  return { ...columns, ...written, delivered: false };
}

function readCommitment(row: Selectable<VerifierSchema["commitments"]>): StoredCommitment {
  const { task, releasedAt, committedAt, answers, ...columns } = row;
  const times = { releasedAt: Number(releasedAt), committedAt: Number(committedAt) };
  return { ...columns, ...times, task: taskJson.parse(task), answers: answersColumn.parse(answers) };
}

function readVerdict(row: Selectable<VerifierSchema["verdicts"]>): StoredVerdict {
  const { taskId, resultHash, reason } = row;
  return { taskId, resultHash, reason, result: resultJson.parse(row.result), expiresAt: Number(row.expiresAt) };
}

const answersColumn = z.array(z.object({ response: bytes32, charge: uint(256) }));
const countsColumn = z.object({ verifiers: z.array(address), counts: z.array(z.int()) });

function readCounts({ epoch, counts }: Selectable<VerifierSchema["signedCounts"]>): EpochCounts {
  return { epoch, ...countsColumn.parse(counts) };
}
