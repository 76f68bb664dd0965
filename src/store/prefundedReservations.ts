import { type Kysely, sql } from "kysely";
import { type SignedRelease, type Task, taskToJson } from "#protocol/task.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { lockPayers } from "./payerLocks.ts";
import { forgetUncovered } from "./uncoveredAccounts.ts";

/** A ceiling over an account's whole life, and who signed it. */
export interface StoredVoucher {
  /** Atomic units. */
  cap: bigint;
  signature: string;
  signer: string;
}

/** A checked call that an account is to pay for. */
export interface Reservation {
  taskId: string;
  task: Task;
  /** The authorizer's over the task. */
  signature: string;
  /** Handed out once the reservation is durable. */
  release: SignedRelease;
  /** The block by which the account was checked. */
  claimedBlock: number;
  /** What came along, checked. */
  voucher: StoredVoucher | null;
  /** Whose vouchers count at that block; those of others can be settled no more, or not for long. */
  authorizers: readonly string[];
  /** What batches had taken from the account at that block, atomic units. */
  spent: bigint;
  /** What the account may be charged over its whole life: spent and balance, without what is being withdrawn. */
  funds: bigint;
  /** Nothing is reserved while a certificate from before then is not settled, seconds since 1970. */
  unsettledSince: number;
}

/** What an account is charged with, atomic units. */
export interface AccountCharges {
  charged: bigint;
  reserved: bigint;
}

/** How a reservation went. Only after `reserved` is anything written. */
export type ReservationOutcome =
  | { outcome: "reserved"; release: SignedRelease }
  /** The nonce has this task; its release is absent where no account pays for it. */
  | { outcome: "held"; taskId: string; release: SignedRelease | null }
  /** A certificate has waited for its batch since then. */
  | { outcome: "overdue"; certifiedAt: number }
  /** `cap` is 0 where no voucher that counts was shown. */
  | ({ outcome: "uncapped"; cap: bigint } & AccountCharges)
  | ({ outcome: "uncovered" } & AccountCharges)
  /** So much of what it was charged before was lost. */
  | { outcome: "lost"; lost: bigint };

type Db = Kysely<FacilitatorSchema>;
type Holder = { taskId: string; release: SignedRelease | null };
/** `lost` is `null` unless a batch has left the account out. */
type Book = StoredVoucher & AccountCharges & { lost: bigint | null };

/** What decides about reservations, as it stands inside the transaction. */
interface Books {
  accounts: Map<string, Book>;
  holders: Map<string, Holder>;
  oldestUnsettled: number | undefined;
}

/**
 * Reserves for calls in one transaction, which waits for the database twice however many they are. Each account's books are one
 * hand's at a time among all processes, so nothing is promised twice.
 *
 * @returns the outcomes in the order of the reservations
 */
export function reservePrefunded(db: Db, reservations: readonly Reservation[]): Promise<ReservationOutcome[]> {
  return db.connection().execute(async (connection) => {
    try {
      const begun = sql`begin`.execute(connection);
      const payers = [...new Set(reservations.map(({ task }) => task.payer))];
      const locked = lockPayers(connection, payers);
      const [, , books] = await Promise.all([begun, locked, readBooks(connection, reservations, payers)]);
      const outcomes = reservations.map((reservation) => decide(books, reservation));
      const taken = reservations.filter((_, index) => outcomes[index]?.outcome === "reserved");
      await Promise.all([
        ...(taken.length > 0 ? [writeAccounts(connection, books, taken), insertTasks(connection, taken)] : []),
        ...takeBack(connection, books, taken),
        sql`commit`.execute(connection),
      ]);
      return outcomes;
    } catch (error) {
      // Where the connection is gone, so is the transaction.
      await sql`rollback`.execute(connection).catch(() => undefined);
      throw error;
    }
  });
}

function decide(books: Books, reservation: Reservation): ReservationOutcome {
  const { taskId, task, release, voucher, spent, funds, authorizers } = reservation;
  const { payer, nonce, maxAmount } = task;
  const holder = books.holders.get(`${payer} ${nonce}`);
  if (holder) return { outcome: "held", ...holder };
  const book = books.accounts.get(payer);
  if (book?.lost) return { outcome: "lost", lost: book.lost };
  const { oldestUnsettled: certifiedAt } = books;
  if (certifiedAt !== undefined && certifiedAt < reservation.unsettledSince) return { outcome: "overdue", certifiedAt };
  // Above what is written only where the books were lost: a batch takes nothing that was not charged here before.
  const charged = book && book.charged > spent ? book.charged : spent;
  const charges = { charged, reserved: book?.reserved ?? 0n };
  const counting = [book, voucher].filter((one) => one && authorizers.includes(one.signer));
  const highest = counting.reduce((best, one) => (one && one.cap > (best?.cap ?? -1n) ? one : best), undefined);
  const owed = charges.charged + charges.reserved + maxAmount;
  if (!highest || owed > highest.cap) return { outcome: "uncapped", cap: highest?.cap ?? 0n, ...charges };
  if (owed > funds) return { outcome: "uncovered", ...charges };

  const { cap, signature, signer } = highest;
  const lost = book?.lost ?? null;
  books.accounts.set(payer, { cap, signature, signer, charged, reserved: charges.reserved + maxAmount, lost });
  books.holders.set(`${payer} ${nonce}`, { taskId, release });
  return { outcome: "reserved", release };
}

/** Whose call passes covers all that was charged before. */
function takeBack(connection: Db, { accounts }: Books, taken: readonly Reservation[]): Promise<void>[] {
  const leftOut = taken.filter(({ task }) => typeof accounts.get(task.payer)?.lost === "bigint");
  const payers = [...new Set(leftOut.map(({ task }) => task.payer))];
  const [first] = leftOut;
  return first ? [forgetUncovered(connection, payers, first.release.releasedAt)] : [];
}

async function readBooks(
  connection: Db,
  reservations: readonly Reservation[],
  payers: readonly string[],
): Promise<Books> {
  const [accounts, holders, oldestUnsettled] = await Promise.all([
    readAccounts(connection, payers),
    readHolders(connection, reservations),
    readOldest(connection),
  ]);
  return { accounts, holders, oldestUnsettled };
}

/** Every look is a lateral one that one plan does best by its index, be there few calls or many. */
async function readAccounts(connection: Db, payers: readonly string[]): Promise<Books["accounts"]> {
  const { rows } = await sql<{ payer: string } & Book>`/* prepared read_accounts */
    select account.payer, cap, voucher_signature as signature, voucher_signer as signer, charged, reserved,
      (select lost from uncovered where payer = asked.payer limit 1) as lost
    from unnest(${payers}::text[]) as asked (payer)
    join lateral (select * from accounts where payer = asked.payer limit 1) as account on true`.execute(connection);
  return new Map(rows.map(({ payer, ...book }) => [payer, book]));
}

async function readHolders(connection: Db, reservations: readonly Reservation[]): Promise<Books["holders"]> {
  const { rows } = await sql<{ payer: string; nonce: bigint } & Holder>`/* prepared read_prefunded_holders */
    select task.payer, task.nonce, task_id, case when prefunded then release end as release
    from unnest(${reservations.map(({ task }) => task.payer)}::text[],
      ${reservations.map(({ task }) => task.nonce.toString())}::numeric[]) as asked (payer, nonce)
    join lateral (select * from tasks where payer = asked.payer and nonce = asked.nonce and state <> 'rejected' limit 1)
      as task on true`.execute(connection);
  return new Map(rows.map(({ payer, nonce, ...holder }) => [`${payer} ${nonce}`, holder]));
}

/**
 * What verifiers refuse to settle waits for them, and what an account does not cover waits for its payer: neither must end the
 * service for everybody else.
 */
async function readOldest(connection: Db): Promise<number | undefined> {
  const { rows } = await sql<{ at: bigint | null }>`/* prepared oldest_unsettled */
    select certified_at as at from tasks t where prefunded and state = 'certified'
      and not exists (select from set_aside a where a.task_id = t.task_id)
      and not exists (select from uncovered u where u.payer = t.payer) order by certified_at limit 1`.execute(
    connection,
  );
  const at = rows[0]?.at ?? null;
  return at === null ? undefined : Number(at);
}

/** `charged` and `reserved` are written as changes: certificates and expiries of the same account may come in between. */
async function writeAccounts(connection: Db, books: Books, taken: readonly Reservation[]): Promise<void> {
  const byPayer = [...Map.groupBy(taken, ({ task }) => task.payer)].map(([payer, calls]) => ({
    payer,
    book: books.accounts.get(payer) as Book,
    added: calls.reduce((sum, { task }) => sum + task.maxAmount, 0n),
  }));
  const column = (valueOf: (account: (typeof byPayer)[number]) => string) => byPayer.map(valueOf);
  await sql`/* prepared write_accounts */ insert into accounts (payer, cap, voucher_signature, voucher_signer, charged, reserved)
    select * from unnest(${column(({ payer }) => payer)}::text[], ${column(({ book }) => book.cap.toString())}::numeric[],
      ${column(({ book }) => book.signature)}::text[], ${column(({ book }) => book.signer)}::text[],
      ${column(({ book }) => book.charged.toString())}::numeric[], ${column(({ added }) => added.toString())}::numeric[])
    on conflict (payer) do update set cap = excluded.cap, voucher_signature = excluded.voucher_signature,
      voucher_signer = excluded.voucher_signer, charged = greatest(accounts.charged, excluded.charged),
      reserved = accounts.reserved + excluded.reserved`.execute(connection);
}

/** The nonces were free, so an earlier claim of the same task was rejected. */
async function insertTasks(connection: Db, taken: readonly Reservation[]): Promise<void> {
  const column = <Value>(valueOf: (reservation: Reservation) => Value) => taken.map(valueOf);
  await sql`/* prepared insert_prefunded */ insert into tasks (task_id, payer, nonce, state, deadline, payment_digest, signature, unlocked, claimed_block,
      task, release, prefunded)
    select task_id, payer, nonce, 'released', deadline, task_id, signature, false, claimed_block, task::jsonb,
      release::jsonb, true
    from unnest(${column(({ taskId }) => taskId)}::text[], ${column(({ task }) => task.payer)}::text[],
      ${column(({ task }) => task.nonce.toString())}::numeric[], ${column(({ task }) => task.deadline)}::bigint[],
      ${column(({ signature }) => signature)}::text[], ${column(({ claimedBlock }) => claimedBlock)}::integer[],
      ${column(({ task }) => JSON.stringify(taskToJson(task)))}::text[],
      ${column(({ release }) => JSON.stringify(release))}::text[])
      as reserved (task_id, payer, nonce, deadline, signature, claimed_block, task, release)
    on conflict (task_id) do update set state = excluded.state, payment_digest = excluded.payment_digest,
      signature = excluded.signature, unlocked = excluded.unlocked, claimed_block = excluded.claimed_block,
      release = excluded.release, valid_after = null, rejection = null, prefunded = true`.execute(connection);
}
