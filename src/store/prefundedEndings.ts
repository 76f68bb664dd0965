import { type Kysely, sql, type Transaction } from "kysely";
import { type Result, resultToJson, type SignedResult } from "#protocol/result.ts";
import type { SignedVerdict } from "#protocol/verdict.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { lockPayers } from "./payerLocks.ts";
import { illegalTransition } from "./taskTransitions.ts";

/** A checked certificate of a prefunded task. */
export interface Charge extends SignedResult {
  payer: string;
  verdicts: readonly SignedVerdict[];
  /** Seconds since 1970. */
  certifiedAt: number;
}

type Db = Kysely<FacilitatorSchema>;
type Trx = Transaction<FacilitatorSchema>;
/** A ceiling that is reserved no more, and what is charged in its place. */
type Change = { payer: string; freed: bigint; charged: bigint };

const OVERDUE_AT_ONCE = 500;
const maxAmount = sql<bigint>`(task ->> 'maxAmount')::numeric`.as("maxAmount");

/**
 * Charges accounts under certificates, in one transaction. A task that has its certificate already keeps it; one that ended
 * without is left as it is.
 *
 * @returns whether each has its certificate now, in the order of `charges`
 */
export function recordCharges(db: Db, charges: readonly Charge[]): Promise<boolean[]> {
  return db.transaction().execute(async (trx) => {
    const taskIds = charges.map(({ result }) => result.taskId);
    const locked = lockPayers(trx, [...new Set(charges.map(({ payer }) => payer))]);
    const [, tasks] = await Promise.all([locked, readTasks(trx, taskIds)]);
    const released = new Set(tasks.filter(({ state }) => state === "released").map(({ taskId }) => taskId));
    const first = [...Map.groupBy(charges, ({ result }) => result.taskId).values()].flatMap(([charge]) => charge ?? []);
    const taken = first.filter(({ result }) => released.has(result.taskId));
    const ceilings = new Map(tasks.map((task) => [task.taskId, task.maxAmount]));
    const changes = taken.map(({ payer, result }) => {
      return { payer, freed: ceilings.get(result.taskId) ?? 0n, charged: result.amount };
    });
    if (taken.length > 0) {
      await Promise.all([certify(trx, taken), addVerdicts(trx, taken), changeAccounts(trx, changes)]);
    }
    const certified = tasks.filter(({ state }) => state === "certified" || state === "settled");
    const known = new Set([...released, ...certified.map(({ taskId }) => taskId)]);
    return taskIds.map((taskId) => known.has(taskId));
  });
}

/** Ends a released task without a charge, under refusals of `result`. A task that has ended so stays as it is. */
export function recordRefund(db: Db, taskId: string, payer: string, result: Result): Promise<void> {
  return db.transaction().execute(async (trx) => {
    await lockPayers(trx, [payer]);
    const refunded = await trx
      .updateTable("tasks")
      .set({ state: "refunded", result: JSON.stringify(resultToJson(result)) })
      .where("taskId", "=", taskId)
      .where("prefunded", "=", true)
      .where("state", "=", "released")
      .returning(maxAmount)
      .executeTakeFirst();
    if (refunded) return changeAccounts(trx, [{ payer, freed: refunded.maxAmount, charged: 0n }]);
    const [task] = await readTasks(trx, [taskId]);
    if (task?.state !== "refunded") throw illegalTransition(taskId, task?.state, "refunded");
  });
}

/** Some released tasks that were due before then, earliest first. */
export async function findOverdue(db: Db, dueBeforeSeconds: number): Promise<string[]> {
  const released = db
    .selectFrom("tasks")
    .select("taskId")
    .where("prefunded", "=", true)
    .where("state", "=", "released");
  const due = released.where("deadline", "<", BigInt(dueBeforeSeconds)).orderBy("deadline").limit(OVERDUE_AT_ONCE);
  return (await due.execute()).map(({ taskId }) => taskId);
}

/**
 * Ends released tasks without a charge, but none that has got its certificate meanwhile.
 *
 * @returns which were ended
 */
export function recordOverdue(db: Db, taskIds: readonly string[]): Promise<string[]> {
  return db.transaction().execute(async (trx) => {
    const tasks = await readTasks(trx, taskIds);
    await lockPayers(trx, [...new Set(tasks.map(({ payer }) => payer))]);
    const ended = await trx
      .updateTable("tasks")
      .set({ state: "refunded" })
      .where("taskId", "=", sql<string>`any(${taskIds}::text[])`)
      .where("prefunded", "=", true)
      .where("state", "=", "released")
      .returning(["taskId", "payer", maxAmount])
      .execute();
    const changes = ended.map(({ payer, maxAmount: freed }) => ({ payer, freed, charged: 0n }));
    await changeAccounts(trx, changes);
    return ended.map(({ taskId }) => taskId);
  });
}

function readTasks(trx: Trx, taskIds: readonly string[]) {
  return trx
    .selectFrom("tasks")
    .select(["taskId", "payer", "state", maxAmount])
    .where("taskId", "=", sql<string>`any(${taskIds}::text[])`)
    .where("prefunded", "=", true)
    .execute();
}

/** What charges nothing needs no batch. */
async function certify(trx: Trx, charges: readonly Charge[]): Promise<void> {
  const column = <Value>(valueOf: (charge: Charge) => Value) => charges.map(valueOf);
  await sql`update tasks set state = certificate.state, result = certificate.result::jsonb,
      node_signature = certificate.node_signature, certified_at = certificate.certified_at
    from unnest(${column(({ result }) => result.taskId)}::text[],
      ${column(({ result }) => (result.amount > 0n ? "certified" : "settled"))}::text[],
      ${column(({ result }) => JSON.stringify(resultToJson(result)))}::text[],
      ${column(({ nodeSignature }) => nodeSignature)}::text[], ${column(({ certifiedAt }) => certifiedAt)}::bigint[])
      as certificate (task_id, state, result, node_signature, certified_at)
    where tasks.task_id = certificate.task_id`.execute(trx);
}

async function addVerdicts(trx: Trx, charges: readonly Charge[]): Promise<void> {
  const rows = charges.flatMap(({ result, verdicts }) => {
    const text = JSON.stringify(resultToJson(result));
    return verdicts.map((verdict) => ({ taskId: result.taskId, result: text, verdict }));
  });
  const column = <Value>(valueOf: (row: (typeof rows)[number]) => Value) => rows.map(valueOf);
  await sql`insert into verdicts (task_id, result_hash, verifier, agrees, epoch, result, verdict)
    select task_id, result_hash, verifier, agrees, epoch, result::jsonb, verdict::jsonb
    from unnest(${column(({ taskId }) => taskId)}::text[], ${column(({ verdict }) => verdict.resultHash)}::text[],
      ${column(({ verdict }) => verdict.verifier)}::text[], ${column(({ verdict }) => verdict.agrees)}::boolean[],
      ${column(({ verdict }) => verdict.epoch)}::bigint[], ${column(({ result }) => result)}::text[],
      ${column(({ verdict }) => JSON.stringify(verdict))}::text[])
      as told (task_id, result_hash, verifier, agrees, epoch, result, verdict)
    on conflict do nothing`.execute(trx);
}

async function changeAccounts(trx: Trx, changes: readonly Change[]): Promise<void> {
  const byPayer = [...Map.groupBy(changes, ({ payer }) => payer)];
  const sumsOf = (name: "freed" | "charged") =>
    byPayer.map(([, own]) => own.reduce((sum, change) => sum + change[name], 0n).toString());
  await sql`update accounts set reserved = reserved - change.freed, charged = accounts.charged + change.charged
    from unnest(${byPayer.map(([payer]) => payer)}::text[], ${sumsOf("freed")}::numeric[], ${sumsOf("charged")}::numeric[])
      as change (payer, freed, charged)
    where accounts.payer = change.payer`.execute(trx);
}
