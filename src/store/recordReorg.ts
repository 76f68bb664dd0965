import { sql, type Transaction } from "kysely";
import type { TaskState } from "#protocol/task.ts";
import { oweAgain } from "./facilitatorClaims.ts";
import { takeBackBatch } from "./facilitatorBatches.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { clearingOf, type NoncePlace, type StoredTransaction } from "./facilitatorTransactions.ts";
import { withNonceOf } from "./taskClaims.ts";
import { reorgedTasks } from "./taskTransitions.ts";

type Trx = Transaction<FacilitatorSchema>;

/** Puts a transaction on its way again whose block was replaced, and takes back what it had ended. */
export async function recordReorg(trx: Trx, place: NoncePlace): Promise<StoredTransaction | undefined> {
  const { signer, nonce } = place;
  const ofPlace = trx.selectFrom("transactions").selectAll().where("signer", "=", signer).where("nonce", "=", nonce);
  await lockTaskOf(trx, place);
  const before = await ofPlace.forUpdate().executeTakeFirst();
  if (!before || before.final) return undefined;
  if (before.status === "sent") return before;
  const isWanted = before.status === "included" || (await isStillWanted(trx, before));
  const clearing = isWanted ? {} : { purpose: "clear" as const, subject: clearingOf(place) };
  const onItsWay = { status: "sent" as const, blockNumber: null, blockHash: null, gasUsed: null };
  const after = await trx
    .updateTable("transactions")
    .set({ ...onItsWay, ...clearing, sentAt: sql`now()` })
    .where("signer", "=", signer)
    .where("nonce", "=", nonce)
    .returningAll()
    .executeTakeFirstOrThrow();
  if (isWanted) await takeBack(trx, after);
  return after;
}

/** Whoever needs a task and its transactions locks the task first. */
async function lockTaskOf(trx: Trx, { signer, nonce }: NoncePlace): Promise<void> {
  const subject = trx.selectFrom("transactions").select("subject").where("signer", "=", signer);
  const task = trx
    .selectFrom("tasks")
    .select("taskId")
    .where("taskId", "=", subject.where("nonce", "=", nonce));
  await task.forUpdate().execute();
}

/** A failed one was taken up again by another, or its claim is over: then nobody waits for it. */
async function isStillWanted(trx: Trx, { subject, purpose }: StoredTransaction): Promise<boolean> {
  const others = trx.selectFrom("transactions").select("hash").where("subject", "=", subject);
  const another = await others
    .where("purpose", "=", purpose)
    .where("status", "in", ["sent", "included"])
    .executeTakeFirst();
  if (another) return false;
  const rejected = trx.selectFrom("tasks").select("taskId").where("taskId", "=", subject);
  return (await rejected.where("state", "=", "rejected").executeTakeFirst()) === undefined;
}

async function takeBack(trx: Trx, { subject, purpose }: StoredTransaction): Promise<void> {
  if (purpose === "settle") await takeBackPayment(trx, subject);
  if (purpose === "batch") await takeBackBatch(trx, subject);
  const step = reorgedTasks[purpose];
  const state = step ? { state: sql<TaskState>`case when state = ${step.from} then ${step.to} else state end` } : {};
  if (!step && purpose !== "open") return;
  const task = trx.updateTable("tasks").set({ ...state, reorged: true });
  const taken = await task.where("taskId", "=", subject).returning(["state", "unlocked"]).executeTakeFirst();
  if (taken?.unlocked && taken.state === "certified") await oweOf(trx, subject);
}

/** The merchant was told an end that does not hold any more; the claim's nonce stays taken all the time. */
async function takeBackPayment(trx: Trx, digest: string): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable("payments")
    .set({ state: "settling", answer: null, endedAt: null, reorged: true })
    .where("digest", "=", digest)
    .where("state", "in", ["settled", "failed"])
    .executeTakeFirst();
  if (numUpdatedRows === 1n) await oweOf(trx, digest);
}

function oweOf(trx: Trx, holder: string): Promise<void> {
  return withNonceOf(trx, holder, (payer, nonce) => oweAgain(trx, payer, nonce));
}
