import { type Kysely, type Selectable, sql } from "kysely";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { groupedWrites } from "./groupedWrites.ts";
import { recordReorg } from "./recordReorg.ts";
import { recordTransactions } from "./recordTransactions.ts";

/** A transaction of the outbox. */
export type StoredTransaction = Readonly<Selectable<FacilitatorSchema["transactions"]>>;

/** What was signed with a transaction's nonce. */
export interface Attempt {
  hash: string;
  raw: string;
}

/** A transaction with all that was signed for it. */
export interface WatchedTransaction {
  transaction: StoredTransaction;
  attempts: readonly Attempt[];
}

/** What a transaction is for, and who signs it. */
export interface TransactionRequest {
  signer: string;
  /** The taskId or payment digest that it belongs to. */
  subject: string;
  purpose: TransactionPurpose;
  /** Nonces that the chain has already counted for the signer, as far as is known. */
  minedNonces: number;
}

/** Signs with the nonce that was allocated. */
export type SignWithNonce = (nonce: number) => Attempt | Promise<Attempt>;

/** The place of a transaction: whose it is, and its number there. */
export type NoncePlace = Pick<StoredTransaction, "signer" | "nonce">;

/** How a transaction ended: in a block, or never to be in one because another took its nonce. */
export interface Inclusion {
  status: "included" | "reverted";
  blockNumber: number | null;
  blockHash: string | null;
  gasUsed: bigint | null;
}

/** The outbox of the facilitator's store. */
export interface FacilitatorTransactions {
  /**
   * Durable write: allocates the signer's next nonce, has the transaction signed with it and keeps it, in one step, so
   * that no nonce is ever allocated without its transaction. Where one for the same subject and purpose is on its way or
   * went through already, that one is returned and nothing is signed.
   */
  recordTransaction(request: TransactionRequest, sign: SignWithNonce): Promise<StoredTransaction>;
  /**
   * Durable write: something else was signed with a nonce that is on its way.
   *
   * @param isClearing - whether it does nothing, so that the subject may have another transaction
   * @returns false where the nonce has ended meanwhile
   */
  recordAttempt(place: NoncePlace, attempt: Attempt, isClearing: boolean): Promise<boolean>;
  /** Durable write: how a nonce ended, by the attempt that a block holds; or by none of them. */
  recordInclusion(hash: string, inclusion: Inclusion): Promise<void>;
  /** Durable write: these nonces' blocks are so deep that they are not looked at any more. */
  recordFinal(places: readonly NoncePlace[]): Promise<void>;
  /**
   * Durable write: the block that held a transaction was replaced by one that does not. It is on its way again, and what it
   * had ended is not ended; where it had failed and nobody wants it any more, it is to be cleared.
   *
   * @returns as it stands now; nothing where it is not watched any more
   */
  recordReorg(place: NoncePlace): Promise<StoredTransaction | undefined>;
  /** Transactions that are on their way, or not final, lowest nonce first. */
  watchedTransactions(): Promise<WatchedTransaction[]>;
  attemptsOf(place: NoncePlace): Promise<Attempt[]>;
}

/** The durable writes by name: after any of them the process may die and be started again. */
export const outboxWrites = [
  "recordTransaction",
  "recordAttempt",
  "recordInclusion",
  "recordFinal",
  "recordReorg",
] as const satisfies readonly (keyof FacilitatorTransactions)[];

type Db = Kysely<FacilitatorSchema>;

export function facilitatorTransactions(db: Db): FacilitatorTransactions {
  const record = groupedWrites((inputs: Parameters<typeof recordTransactions>[1]) =>
    db.transaction().execute((trx) => recordTransactions(trx, inputs)),
  );
  const include = groupedWrites((inputs: readonly EndedAttempt[]) => recordInclusions(db, inputs));
  return {
    recordTransaction: (request, sign) => record({ request, sign }),
    recordAttempt: (place, attempt, isClearing) => recordAttempt(db, place, attempt, isClearing),
    recordInclusion: async (hash, inclusion) => {
      await include({ hash, ...inclusion });
    },
    recordFinal: async (places) => {
      const pairs = sql.join(places.map(({ signer, nonce }) => sql`(${signer}, ${nonce}::integer)`));
      await sql`with held as (
          select signer, nonce from transactions where status <> 'sent' and (signer, nonce) in (${pairs})
          order by hash for update)
        update transactions t set final = true from held
        where t.signer = held.signer and t.nonce = held.nonce and t.status <> 'sent'`.execute(db);
    },
    recordReorg: (place) => db.transaction().execute((trx) => recordReorg(trx, place)),
    watchedTransactions: () => findWatched(db),
    attemptsOf: ({ signer, nonce }) =>
      db
        .selectFrom("attempts")
        .select(["hash", "raw"])
        .where("signer", "=", signer)
        .where("nonce", "=", nonce)
        .execute(),
  };
}

type EndedAttempt = Inclusion & { hash: string };

/**
 * What took its nonce from outside is not watched: whatever happens to that, the purpose has been taken up again. Replicas write
 * the same ones at the same time, so they are locked in the one order that everybody takes them in.
 */
async function recordInclusions(db: Db, ended: readonly EndedAttempt[]): Promise<undefined[]> {
  const rows = ended.map(({ hash, status, blockNumber, blockHash, gasUsed }) => {
    const place = sql`${blockNumber}::integer, ${blockHash}::text, ${gasUsed}::numeric`;
    return sql`(${hash}::text, ${status}::text, ${place})`;
  });
  await sql`with v (hash, status, block_number, block_hash, gas_used) as (values ${sql.join(rows)}),
    held as (
      select t.signer, t.nonce from transactions t where t.status = 'sent' and (t.signer, t.nonce) in
        (select a.signer, a.nonce from attempts a join v on v.hash = a.hash)
      order by t.hash for update)
    update transactions t
    set hash = a.hash, raw = a.raw, status = v.status, block_number = v.block_number, block_hash = v.block_hash,
      gas_used = v.gas_used, final = v.block_number is null
    from v join attempts a on a.hash = v.hash join held on held.signer = a.signer and held.nonce = a.nonce
    where t.signer = held.signer and t.nonce = held.nonce and t.status = 'sent'`.execute(db);
  return ended.map(() => undefined);
}

function recordAttempt(
  db: Db,
  { signer, nonce }: NoncePlace,
  { hash, raw }: Attempt,
  isClearing: boolean,
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const clearing = isClearing ? { purpose: "clear" as const, subject: clearingOf({ signer, nonce }) } : {};
    const update = trx.updateTable("transactions").set({ hash, raw, ...clearing });
    const onTheirWay = update.where("signer", "=", signer).where("nonce", "=", nonce).where("status", "=", "sent");
    const { numUpdatedRows } = await onTheirWay.executeTakeFirst();
    if (numUpdatedRows === 0n) return false;
    await trx
      .insertInto("attempts")
      .values({ signer, nonce, hash, raw })
      .onConflict((conflict) => conflict.column("hash").doNothing())
      .execute();
    return true;
  });
}

/** The subject of a nonce that belongs to nothing any more. */
export function clearingOf({ signer, nonce }: NoncePlace): string {
  return `${signer} ${nonce}`;
}

async function findWatched(db: Db): Promise<WatchedTransaction[]> {
  const watched = db.selectFrom("transactions").selectAll().where("final", "=", false);
  const transactions = await watched.orderBy("signer").orderBy("nonce").execute();
  if (transactions.length === 0) return [];
  const rows = await db
    .selectFrom("attempts")
    .innerJoin("transactions", (join) =>
      join.onRef("transactions.signer", "=", "attempts.signer").onRef("transactions.nonce", "=", "attempts.nonce"),
    )
    .selectAll("attempts")
    .where("transactions.final", "=", false)
    .execute();
  const attempts = Map.groupBy(rows, clearingOf);
  return transactions.map((transaction) => ({ transaction, attempts: attempts.get(clearingOf(transaction)) ?? [] }));
}
