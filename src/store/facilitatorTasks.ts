import type { Kysely, Transaction, Updateable } from "kysely";
import type { ErrorBody } from "#protocol/errors.ts";
import { type Result, type SignedResult, resultJson, resultToJson } from "#protocol/result.ts";
import { type SignedRelease, signedReleaseJson, taskJson, type TaskState } from "#protocol/task.ts";
import { type SignedVerdict, signedVerdictJson } from "#protocol/verdict.ts";
import {
  endClaim,
  endSponsorship,
  type Exposure,
  exposureOf,
  type Loss,
  type NonceOutcome,
  oweAgain,
} from "./facilitatorClaims.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import type { StoredTransaction } from "./facilitatorTransactions.ts";
import { type Claim, claimTask, type ClaimTerms, findHolding, type Holding, withNonceOf } from "./taskClaims.ts";
import { illegalTransition, statesBefore } from "./taskTransitions.ts";

/** All that the facilitator holds of a task. */
export interface StoredTask extends Claim {
  state: TaskState;
  release: SignedRelease | null;
  result: Result | null;
  nodeSignature: string | null;
  verdicts: readonly SignedVerdict[];
  transactions: readonly StoredTransaction[];
  /** Why the claim was rejected. */
  rejection: ErrorBody | null;
  /** Whether a block that held its lock or its end was replaced by one that does not. */
  reorged: boolean;
  /** Whether an account pays for it. */
  prefunded: boolean;
}

/** The tasks of the facilitator's store. Writes throw OpgError `internal` for a step that a task's life does not have. */
export interface FacilitatorTasks {
  /** Durable write: takes (payer, nonce) for this task, unless something holds it or the terms forbid it. */
  claim(claim: Claim, terms: ClaimTerms): Promise<NonceOutcome>;
  /** Durable write: the claim ends without a lock; refused while an `open` of ours is on its way or went through. */
  recordRejection(taskId: string, rejection: ErrorBody): Promise<void>;
  /** Durable write: the money is locked, or need not be, and this release may be shown. */
  recordRelease(release: SignedRelease): Promise<void>;
  /** Durable write: the lock of a released task is gone for good; from now on it is owed like one that had none. */
  recordLockLost(taskId: string): Promise<void>;
  /** Durable write: a checked certificate, which has to be settled from now on. */
  recordCertificate(signedResult: SignedResult, verdicts: readonly SignedVerdict[]): Promise<void>;
  /** Durable write: one checked refusal; the same again changes nothing. */
  recordRefusal(result: Result, verdict: SignedVerdict): Promise<void>;
  /** Durable write: enough refusals of `result` are here, or the chain has seen them (`null`). */
  recordRefused(taskId: string, result: Result | null): Promise<void>;
  /** Durable write: nobody can settle the task any more; `loss` is what its result would have earned without a lock. */
  recordExpiry(taskId: string, loss?: Loss): Promise<void>;
  /** Durable write: how the task ended, as the chain says or, without a lock, as nothing is left to be done. */
  recordEnding(taskId: string, ending: "settled" | "refunded"): Promise<void>;
  findTask(taskId: string): Promise<StoredTask | undefined>;
  /** What has the payer's nonce here, or else the identifier. */
  holdingOf(payer: string, nonce: bigint, identifier: string | null): Promise<Holding | undefined>;
  /** What a payer owes of a token without a lock or has paid later than in `seenBlock`, and has ever left unpaid. */
  exposureOf(payer: string, token: string, seenBlock?: number): Promise<Exposure>;
  /** Released tasks whose lock was in a block that was replaced, and that have not ended since. */
  tasksWithoutLock(): Promise<string[]>;
  /** Tasks in one of `states` that no account pays for, earliest deadline first. */
  tasksIn(states: readonly TaskState[], dueBeforeSeconds?: number): Promise<string[]>;
}

type Db = Kysely<FacilitatorSchema>;
type Trx = Transaction<FacilitatorSchema>;

export function facilitatorTasks(db: Db): FacilitatorTasks {
  return {
    claim: (claim, terms) => db.transaction().execute((trx) => claimTask(trx, claim, terms)),
    recordRejection: (taskId, rejection) => reject(db, taskId, rejection),
    recordRelease: (release) => recordRelease(db, release),
    recordLockLost: (taskId) => db.transaction().execute((trx) => loseLock(trx, taskId)),
    recordCertificate: ({ result, nodeSignature }, verdicts) =>
      db.transaction().execute(async (trx) => {
        const { taskId } = result;
        for (const verdict of verdicts) await addVerdict(trx, result, verdict);
        await advance(trx, taskId, "certified", { result: JSON.stringify(resultToJson(result)), nodeSignature });
      }),
    recordRefusal: (result, verdict) => addVerdict(db, result, verdict),
    recordRefused: (taskId, result) =>
      advance(db, taskId, "refused", result ? { result: JSON.stringify(resultToJson(result)) } : {}),
    recordExpiry: (taskId, loss) =>
      db.transaction().execute(async (trx) => {
        await advance(trx, taskId, "expired", {});
        await withNonceOf(trx, taskId, (payer, nonce) => endClaim(trx, payer, nonce, "keep", loss));
      }),
    recordEnding: (taskId, ending) =>
      db.transaction().execute(async (trx) => {
        await advance(trx, taskId, ending, {});
        await withNonceOf(trx, taskId, (payer, nonce) => endClaim(trx, payer, nonce, "keep"));
      }),
    findTask: (taskId) => find(db, taskId),
    holdingOf: (payer, nonce, identifier) => findHolding(db, payer, nonce, identifier),
    exposureOf: (payer, token, seenBlock) => exposureOf(db, payer, token, seenBlock),
    tasksWithoutLock: () => findWithoutLock(db),
    tasksIn: (states, dueBeforeSeconds) => findIn(db, states, dueBeforeSeconds),
  };
}

async function findWithoutLock(db: Db): Promise<string[]> {
  const reorged = db.selectFrom("tasks").select("taskId").where("reorged", "=", true).where("unlocked", "=", false);
  const locked = reorged.where("prefunded", "=", false);
  const rows = await locked.where("state", "in", ["released", "certified"]).execute();
  return rows.map(({ taskId }) => taskId);
}

async function findIn(db: Db, states: readonly TaskState[], dueBeforeSeconds?: number): Promise<string[]> {
  let query = db
    .selectFrom("tasks")
    .select("taskId")
    .where("state", "in", [...states])
    .where("prefunded", "=", false)
    .orderBy("deadline");
  if (dueBeforeSeconds !== undefined) query = query.where("deadline", "<", BigInt(dueBeforeSeconds));
  return (await query.execute()).map(({ taskId }) => taskId);
}

/** The payer's permit, if one was submitted, has had its effect by then. */
function recordRelease(db: Db, release: SignedRelease): Promise<void> {
  return db.transaction().execute(async (trx) => {
    await advance(trx, release.taskId, "released", { release: JSON.stringify(release) });
    await withNonceOf(trx, release.taskId, (payer, nonce) => endSponsorship(trx, payer, nonce));
  });
}

async function loseLock(trx: Trx, taskId: string): Promise<void> {
  const task = trx.updateTable("tasks").set({ unlocked: true }).where("taskId", "=", taskId);
  const { numUpdatedRows } = await task.where("state", "in", ["released", "certified"]).executeTakeFirst();
  if (numUpdatedRows === 1n) await withNonceOf(trx, taskId, (payer, nonce) => oweAgain(trx, payer, nonce));
}

/** Moves a task to its next state and nowhere else; where it stands there already, nothing changes. */
async function advance(
  db: Db,
  taskId: string,
  state: TaskState,
  values: Updateable<FacilitatorSchema["tasks"]>,
): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable("tasks")
    .set({ ...values, state })
    .where("taskId", "=", taskId)
    .where("state", "in", statesBefore(state))
    .executeTakeFirst();
  if (numUpdatedRows === 1n) return;
  const current = await db.selectFrom("tasks").select("state").where("taskId", "=", taskId).executeTakeFirst();
  if (current?.state !== state) throw illegalTransition(taskId, current?.state, state);
}

/** Until the end of the transaction nobody else decides on this task. @returns where it stands */
export async function lockTask(trx: Trx, taskId: string): Promise<TaskState | undefined> {
  const row = await trx.selectFrom("tasks").select("state").where("taskId", "=", taskId).forUpdate().executeTakeFirst();
  return row?.state;
}

async function reject(db: Db, taskId: string, rejection: ErrorBody): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockTask(trx, taskId);
    const opening = await trx
      .selectFrom("transactions")
      .select("hash")
      .where("subject", "=", taskId)
      .where("purpose", "=", "open")
      .where("status", "in", ["sent", "included"])
      .executeTakeFirst();
    if (opening) throw illegalTransition(taskId, "claimed", "rejected");
    await advance(trx, taskId, "rejected", { rejection: JSON.stringify(rejection) });
    await withNonceOf(trx, taskId, (payer, nonce) => endClaim(trx, payer, nonce, "free"));
  });
}

/** A verifier that says both, or says it again in the next epoch, is kept with all of it: no word displaces another. */
async function addVerdict(db: Db, result: Result, verdict: SignedVerdict): Promise<void> {
  const { resultHash, verifier, agrees } = verdict;
  const epoch = BigInt(verdict.epoch);
  const text = { result: JSON.stringify(resultToJson(result)), verdict: JSON.stringify(verdict) };
  await db
    .insertInto("verdicts")
    .values({ taskId: result.taskId, resultHash, verifier, agrees, epoch, ...text })
    .onConflict((conflict) => conflict.columns(["taskId", "resultHash", "verifier", "agrees", "epoch"]).doNothing())
    .execute();
}

/** The batch that settles it stands for many tasks. */
async function subjectsOf(db: Db, taskId: string): Promise<string[]> {
  const batches = db
    .selectFrom("batchReceipts")
    .innerJoin("batches", "batches.batchId", "batchReceipts.batchId")
    .select("batches.batchId")
    .where("taskId", "=", taskId)
    .where("state", "in", ["certified", "settled"]);
  return [taskId, ...(await batches.execute()).map(({ batchId }) => batchId)];
}

async function find(db: Db, taskId: string): Promise<StoredTask | undefined> {
  const row = await db.selectFrom("tasks").selectAll().where("taskId", "=", taskId).executeTakeFirst();
  if (!row) return undefined;
  const verdicts = await db
    .selectFrom("verdicts")
    .select("verdict")
    .where("taskId", "=", taskId)
    .orderBy("verifier")
    .execute();
  const transactions = await db
    .selectFrom("transactions")
    .selectAll()
    .where("subject", "in", row.prefunded ? await subjectsOf(db, taskId) : [taskId])
    .orderBy("nonce")
    .execute();
  return {
    taskId,
    state: row.state,
    task: taskJson.parse(row.task),
    paymentDigest: row.paymentDigest,
    signature: row.signature ?? "",
    validAfter: row.validAfter,
    unlocked: row.unlocked,
    claimedBlock: row.claimedBlock ?? 0,
    release: row.release === null ? null : signedReleaseJson.parse(row.release),
    result: row.result === null ? null : resultJson.parse(row.result),
    nodeSignature: row.nodeSignature,
    verdicts: verdicts.map(({ verdict }) => signedVerdictJson.parse(verdict)),
    transactions,
    rejection: row.rejection as ErrorBody | null,
    reorged: row.reorged,
    prefunded: row.prefunded,
  };
}
