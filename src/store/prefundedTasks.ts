import { type Kysely, sql } from "kysely";
import type { Result } from "#protocol/result.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { groupedWrites } from "./groupedWrites.ts";
import type { AccountsTable } from "./prefundedMigration.ts";
import { type Charge, findOverdue, recordCharges, recordOverdue, recordRefund } from "./prefundedEndings.ts";
import { type Reservation, type ReservationOutcome, reservePrefunded } from "./prefundedReservations.ts";

/** What all accounts together are charged with, for metrics. */
export interface PrefundedTotals {
  /** Atomic units, of released tasks. */
  reserved: bigint;
  /** Atomic units, certified and taken by no batch yet. */
  unsettled: bigint;
  /** Accounts that have paid for a task. */
  accounts: number;
  /** Since when the charge waits that waits longest for a batch which may take it, seconds since 1970. */
  oldestUnsettled: number | undefined;
  /** Charges that a batch may take now, and those that verifiers refused. */
  waiting: number;
  setAside: number;
  /** Accounts that do not cover what they were charged, and how much batches left out; atomic units. */
  uncoveredAccounts: number;
  uncovered: bigint;
}

/** Tasks that accounts pay for, and the accounts' books: all of it lifetime sums, so that a batch under way changes nothing. */
export interface PrefundedTasks {
  /** Durable write: the call's ceiling is the account's no more, its nonce is taken, and its release may be shown. */
  reservePrefunded(reservation: Reservation): Promise<ReservationOutcome>;
  /** Durable write: a checked certificate; its charge takes the ceiling's place. @returns false where the task has ended without */
  recordCharge(charge: Charge): Promise<boolean>;
  /** Durable write: a quorum refused the result; nothing is charged. */
  recordRefund(taskId: string, payer: string, result: Result): Promise<void>;
  /** Durable write: released tasks that nobody can certify any more end without a charge. @returns which of them did */
  recordOverdue(taskIds: readonly string[]): Promise<string[]>;
  /** Some of the released tasks that were due before then. */
  overdueCalls(dueBeforeSeconds: number): Promise<string[]>;
  accountOf(payer: string): Promise<AccountsTable | undefined>;
  prefundedTotals(): Promise<PrefundedTotals>;
}

/** The durable writes by name: after any of them the process may die and be started again. */
export const prefundedWrites = [
  "reservePrefunded",
  "recordCharge",
  "recordRefund",
  "recordOverdue",
] as const satisfies readonly (keyof PrefundedTasks)[];

export function prefundedTasks(db: Kysely<FacilitatorSchema>): PrefundedTasks {
  return {
    reservePrefunded: groupedWrites((reservations: readonly Reservation[]) => reservePrefunded(db, reservations)),
    recordCharge: groupedWrites((charges: readonly Charge[]) => recordCharges(db, charges)),
    recordRefund: (taskId, payer, result) => recordRefund(db, taskId, payer, result),
    recordOverdue: (taskIds) => recordOverdue(db, taskIds),
    overdueCalls: (dueBeforeSeconds) => findOverdue(db, dueBeforeSeconds),
    accountOf: (payer) => db.selectFrom("accounts").selectAll().where("payer", "=", payer).executeTakeFirst(),
    prefundedTotals: () => readTotals(db),
  };
}

async function readTotals(db: Kysely<FacilitatorSchema>): Promise<PrefundedTotals> {
  const [accounts, uncovered, { oldest, unsettled, waiting, setAside }] = await Promise.all([
    db
      .selectFrom("accounts")
      .select([count, sql<bigint>`coalesce(sum(reserved), 0)`.as("reserved")])
      .executeTakeFirstOrThrow(),
    db
      .selectFrom("uncovered")
      .select([count, sql<bigint>`coalesce(sum(amount), 0)`.as("amount")])
      .where("lost", "=", 0n)
      .executeTakeFirstOrThrow(),
    readUnsettled(db),
  ]);
  return {
    ...{ reserved: accounts.reserved, accounts: Number(accounts.count), unsettled },
    oldestUnsettled: oldest === null ? undefined : Number(oldest),
    ...{ waiting: Number(waiting), setAside: Number(setAside) },
    ...{ uncovered: uncovered.amount, uncoveredAccounts: Number(uncovered.count) },
  };
}

const count = sql<bigint>`count(*)`.as("count");

type Unsettled = Record<"unsettled" | "waiting" | "setAside", bigint> & { oldest: bigint | null };

/** What waits for a verifier or for its payer counts, but not how long it does: nothing else stops for it. */
function readUnsettled(db: Kysely<FacilitatorSchema>): Promise<Unsettled> {
  const mayGo = sql`set_aside.task_id is null and uncovered.payer is null`;
  return db
    .selectFrom("tasks")
    .leftJoin("setAside", "setAside.taskId", "tasks.taskId")
    .leftJoin("uncovered", "uncovered.payer", "tasks.payer")
    .select([
      sql<bigint>`coalesce(sum((result ->> 'amount')::numeric), 0)`.as("unsettled"),
      sql<bigint | null>`min(certified_at) filter (where ${mayGo})`.as("oldest"),
      sql<bigint>`count(*) filter (where ${mayGo})`.as("waiting"),
      sql<bigint>`count(set_aside.task_id)`.as("setAside"),
    ])
    .where("prefunded", "=", true)
    .where("state", "=", "certified")
    .executeTakeFirstOrThrow();
}
