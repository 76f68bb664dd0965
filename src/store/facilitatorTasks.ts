import type { Kysely, Transaction, Updateable } from "kysely";
import type { ErrorBody } from "#protocol/errors.ts";
import { type Result, type SignedResult, resultJson, resultToJson } from "#protocol/result.ts";
import {
  type SignedRelease,
  signedReleaseJson,
  type Task,
  taskJson,
  type TaskState,
  taskToJson,
} from "#protocol/task.ts";
import { type SignedVerdict, signedVerdictJson } from "#protocol/verdict.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import type { StoredTransaction } from "./facilitatorTransactions.ts";
import { illegalTransition, statesBefore } from "./taskTransitions.ts";

/** An authorization as it is claimed. */
export interface Claim {
  taskId: string;
  task: Task;
  /** Digest that the payer signed. */
  paymentDigest: string;
}

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
}

/** How a claim went: made now; the same authorization was claimed before; another task holds the payer's nonce. */
export type ClaimOutcome = "claimed" | "known" | "spent";

/** The tasks of the facilitator's store. Writes throw OpgError `internal` for a step that a task's life does not have. */
export interface FacilitatorTasks {
  /** Durable write: takes (payer, nonce) for this task, unless a claim that was not rejected holds it. */
  claim(claim: Claim): Promise<ClaimOutcome>;
  /** Durable write: the claim ends without a lock; refused while an `open` of ours is on its way or went through. */
  recordRejection(taskId: string, rejection: ErrorBody): Promise<void>;
  /** Durable write: the money is locked, and this release may be shown. */
  recordRelease(release: SignedRelease): Promise<void>;
  /** Durable write: a checked certificate, which has to be settled from now on. */
  recordCertificate(signedResult: SignedResult, verdicts: readonly SignedVerdict[]): Promise<void>;
  /** Durable write: one checked refusal; the same again changes nothing. */
  recordRefusal(result: Result, verdict: SignedVerdict): Promise<void>;
  /** Durable write: enough refusals of `result` are here, or the chain has seen them (`null`). */
  recordRefused(taskId: string, result: Result | null): Promise<void>;
  /** Durable write: nobody can settle the task any more. */
  recordExpiry(taskId: string): Promise<void>;
  /** Durable write: the chain says how the task ended. */
  recordEnding(taskId: string, ending: "settled" | "refunded"): Promise<void>;
  findTask(taskId: string): Promise<StoredTask | undefined>;
  /** Task that holds the payer's nonce here, if any. */
  holderOf(payer: string, nonce: bigint): Promise<string | undefined>;
  /** Tasks in one of `states`, earliest deadline first. */
  tasksIn(states: readonly TaskState[], dueBeforeSeconds?: number): Promise<string[]>;
}

type Db = Kysely<FacilitatorSchema>;

export function facilitatorTasks(db: Db): FacilitatorTasks {
  return {
    claim: (claim) => takeNonce(db, claim),
    recordRejection: (taskId, rejection) => reject(db, taskId, rejection),
    recordRelease: (release) => advance(db, release.taskId, "released", { release: JSON.stringify(release) }),
    recordCertificate: ({ result, nodeSignature }, verdicts) =>
      db.transaction().execute(async (trx) => {
        const { taskId } = result;
        for (const verdict of verdicts) await addVerdict(trx, result, verdict);
        await advance(trx, taskId, "certified", { result: JSON.stringify(resultToJson(result)), nodeSignature });
      }),
    recordRefusal: (result, verdict) => addVerdict(db, result, verdict),
    recordRefused: (taskId, result) =>
      advance(db, taskId, "refused", result ? { result: JSON.stringify(resultToJson(result)) } : {}),
    recordExpiry: (taskId) => advance(db, taskId, "expired", {}),
    recordEnding: (taskId, ending) => advance(db, taskId, ending, {}),
    findTask: (taskId) => find(db, taskId),
    holderOf: async (payer, nonce) => {
      const query = db.selectFrom("tasks").select("taskId").where("payer", "=", payer).where("nonce", "=", nonce);
      return (await query.where("state", "!=", "rejected").executeTakeFirst())?.taskId;
    },
    tasksIn: async (states, dueBeforeSeconds) => {
      let query = db
        .selectFrom("tasks")
        .select("taskId")
        .where("state", "in", [...states])
        .orderBy("deadline");
      if (dueBeforeSeconds !== undefined) query = query.where("deadline", "<", BigInt(dueBeforeSeconds));
      return (await query.execute()).map(({ taskId }) => taskId);
    },
  };
}

async function takeNonce(db: Db, { taskId, task, paymentDigest }: Claim): Promise<ClaimOutcome> {
  const { payer, nonce, deadline } = task;
  const row = { taskId, payer, nonce, state: "claimed" as const, deadline: BigInt(deadline), paymentDigest };
  try {
    const claimed = await db
      .insertInto("tasks")
      .values({ ...row, task: JSON.stringify(taskToJson(task)) })
      .onConflict((conflict) =>
        conflict
          .column("taskId")
          .doUpdateSet({ state: "claimed", rejection: null })
          .where("tasks.state", "=", "rejected"),
      )
      .returning("taskId")
      .executeTakeFirst();
    return claimed ? "claimed" : "known";
  } catch (error) {
    if ((error as { constraint?: string }).constraint !== "tasks_payer_nonce") throw error;
    // Either another task holds the nonce, or the same one was claimed at the same moment.
    const holder = await db
      .selectFrom("tasks")
      .select("taskId")
      .where("taskId", "=", taskId)
      .where("state", "!=", "rejected")
      .executeTakeFirst();
    return holder ? "known" : "spent";
  }
}

/** Moves a task to its next state and nowhere else; where it stands there already, nothing changes. */
async function advance(
  db: Db | Transaction<FacilitatorSchema>,
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
export async function lockTask(trx: Transaction<FacilitatorSchema>, taskId: string): Promise<TaskState | undefined> {
  const row = await trx.selectFrom("tasks").select("state").where("taskId", "=", taskId).forUpdate().executeTakeFirst();
  return row?.state;
}

async function reject(db: Db, taskId: string, rejection: ErrorBody): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockTask(trx, taskId);
    const opening = await trx
      .selectFrom("transactions")
      .select("hash")
      .where("taskId", "=", taskId)
      .where("purpose", "=", "open")
      .where("status", "in", ["sent", "included"])
      .executeTakeFirst();
    if (opening) throw illegalTransition(taskId, "claimed", "rejected");
    await advance(trx, taskId, "rejected", { rejection: JSON.stringify(rejection) });
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
    .where("taskId", "=", taskId)
    .orderBy("nonce")
    .execute();
  return {
    taskId,
    state: row.state,
    task: taskJson.parse(row.task),
    paymentDigest: row.paymentDigest,
    release: row.release === null ? null : signedReleaseJson.parse(row.release),
    result: row.result === null ? null : resultJson.parse(row.result),
    nodeSignature: row.nodeSignature,
    verdicts: verdicts.map(({ verdict }) => signedVerdictJson.parse(verdict)),
    transactions,
    rejection: row.rejection as ErrorBody | null,
  };
}
