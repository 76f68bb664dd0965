import { type Kysely, sql, type Transaction } from "kysely";
import type { Loss } from "./facilitatorClaims.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { lockPayers } from "./payerLocks.ts";

/** An account that a batch left out, for it does not cover what it was charged. */
export interface Uncovered {
  payer: string;
  /** What is missing, in one `snake_case` word. */
  reason: string;
  /** What was left out, atomic units. */
  amount: bigint;
}

/** The same as it is remembered. */
export interface UncoveredAccount extends Uncovered {
  /** Seconds since 1970. */
  since: number;
  /** Lifetime charges of the account, atomic units. */
  charged: bigint;
}

/** A charge that is to be given up. */
export interface LostCharge {
  taskId: string;
  payout: string;
  /** Atomic units. */
  amount: bigint;
}

/**
 * Accounts that cannot pay what they owe. Their charges wait apart: no batch is built for them, and they keep nobody else from
 * being served.
 */
export interface UncoveredAccounts {
  /** Durable write: batches leave these accounts alone until they cover what they owe. */
  recordUncovered(accounts: readonly Uncovered[], now: number): Promise<void>;
  /** Durable write: these cover it again; what they owe waits for its batch from now on. */
  recordCovered(payers: readonly string[], now: number): Promise<void>;
  /** Durable write: nobody can collect these charges of a payer's any more; their tasks end, and the account is served no more. */
  recordAccountLoss(payer: string, token: string, losses: ReadonlyMap<string, Loss>): Promise<void>;
  /** Those that may cover what they owe one day, longest waiting first. */
  uncoveredAccounts(most: number): Promise<UncoveredAccount[]>;
  /** Charges of a payer's that no batch has. */
  chargesOf(payer: string): Promise<LostCharge[]>;
}

/** The durable writes by name: after any of them the process may die and be started again. */
export const uncoveredWrites = [
  "recordUncovered",
  "recordCovered",
  "recordAccountLoss",
] as const satisfies readonly (keyof UncoveredAccounts)[];

type Db = Kysely<FacilitatorSchema>;
type Trx = Transaction<FacilitatorSchema>;

export function uncoveredAccounts(db: Db): UncoveredAccounts {
  return {
    recordUncovered: (accounts, now) => recordUncovered(db, accounts, now),
    recordCovered: (payers, now) =>
      db.transaction().execute(async (trx) => {
        await lockPayers(trx, payers);
        await forgetUncovered(trx, payers, now);
      }),
    recordAccountLoss: (payer, token, losses) =>
      db.transaction().execute((trx) => recordLoss(trx, payer, token, losses)),
    uncoveredAccounts: (most) => findUncovered(db, most),
    chargesOf: (payer) => findCharges(db, payer),
  };
}

/**
 * What these payers owe waits for a batch again, from now on: it must not look as if it had waited for its batch all the time.
 *
 * @param trx - under the payers' locks
 */
export async function forgetUncovered(trx: Db, payers: readonly string[], now: number): Promise<void> {
  // One statement, for some send their commit without waiting for it. Who has locked a task settles it.
  await sql`with covered as (delete from uncovered where payer = any(${[...payers]}::text[]) and lost = 0 returning payer)
    update tasks set certified_at = ${now}::bigint where task_id in (
      select task_id from tasks where prefunded and state = 'certified' and payer in (select payer from covered)
      order by task_id for update skip locked)`.execute(trx);
}

async function recordUncovered(db: Db, accounts: readonly Uncovered[], now: number): Promise<void> {
  if (accounts.length === 0) return;
  await db
    .insertInto("uncovered")
    .values(accounts.map((account) => ({ ...account, since: BigInt(now), lost: 0n })))
    .onConflict((conflict) =>
      conflict.column("payer").doUpdateSet((excluded) => ({
        reason: excluded.ref("excluded.reason"),
        amount: excluded.ref("excluded.amount"),
      })),
    )
    .execute();
}

async function recordLoss(trx: Trx, payer: string, token: string, losses: ReadonlyMap<string, Loss>): Promise<void> {
  await lockPayers(trx, [payer]);
  const ended = await trx
    .updateTable("tasks")
    .set({ state: "refunded" })
    .where("taskId", "=", sql<string>`any(${[...losses.keys()]}::text[])`)
    .where("payer", "=", payer)
    .where("prefunded", "=", true)
    .where("state", "=", "certified")
    .returning("taskId")
    .execute();
  const rows = ended.flatMap(({ taskId: holder }) => {
    const { reason = "", shares = [] } = losses.get(holder) ?? {};
    return shares.map((share) => ({ ...share, holder, reason }));
  });
  if (rows.length === 0) return;
  const column = (valueOf: (row: (typeof rows)[number]) => string) => rows.map(valueOf);
  await sql`insert into losses (payer, token, holder, role, recipient, amount, reason)
    select ${payer}, ${token}, * from unnest(${column(({ holder }) => holder)}::text[],
      ${column(({ role }) => role)}::text[], ${column(({ recipient }) => recipient)}::text[],
      ${column(({ amount }) => amount.toString())}::numeric[], ${column(({ reason }) => reason)}::text[])
    on conflict (holder, role) do nothing`.execute(trx);
  const lost = rows.reduce((sum, { amount }) => sum + amount, 0n).toString();
  const ofPayer = trx.updateTable("uncovered").where("payer", "=", payer);
  await ofPayer.set({ lost: sql<bigint>`lost + ${lost}::numeric`, amount: 0n }).execute();
  const account = trx.updateTable("accounts").where("payer", "=", payer);
  await account.set({ charged: sql<bigint>`charged - ${lost}::numeric` }).execute();
}

async function findUncovered(db: Db, most: number): Promise<UncoveredAccount[]> {
  const rows = await db
    .selectFrom("uncovered")
    .innerJoin("accounts", "accounts.payer", "uncovered.payer")
    .select(["uncovered.payer", "reason", "amount", "since", "charged"])
    .where("lost", "=", 0n)
    .orderBy("since")
    .limit(most)
    .execute();
  return rows.map(({ since, ...row }) => ({ ...row, since: Number(since) }));
}

async function findCharges(db: Db, payer: string): Promise<LostCharge[]> {
  const { rows } = await sql<LostCharge>`select task_id, result ->> 'payout' as payout,
      (result ->> 'amount')::numeric as amount
    from tasks where prefunded and state = 'certified' and payer = ${payer}`.execute(db);
  return rows;
}
