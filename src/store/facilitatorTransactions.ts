import { type Kysely, type Selectable, sql, type Transaction } from "kysely";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { lockTask } from "./facilitatorTasks.ts";
import { illegalTransition } from "./taskTransitions.ts";

/** A transaction of the outbox. */
export type StoredTransaction = Readonly<Selectable<FacilitatorSchema["transactions"]>>;

/** What a transaction is for, and who signs it. */
export interface TransactionRequest {
  signer: string;
  /** The taskId or payment digest that it belongs to. */
  subject: string;
  purpose: TransactionPurpose;
  /** Nonces that the chain has already counted for the signer. */
  minedNonces: number;
}

/** How a transaction ended: in a block, or never to be in one because another took its nonce. */
export interface Inclusion {
  status: "included" | "reverted";
  blockNumber: number | null;
  gasUsed: bigint | null;
}

/** The outbox of the facilitator's store. */
export interface FacilitatorTransactions {
  /**
   * Durable write: allocates the signer's next nonce, has the transaction signed with it and keeps it, in one step, so
   * that no nonce is ever allocated without its transaction. Where one for the same subject and purpose is on its way or
   * went through already, that one is returned and nothing is signed.
   */
  recordTransaction(
    request: TransactionRequest,
    sign: (nonce: number) => Promise<{ hash: string; raw: string }>,
  ): Promise<StoredTransaction>;
  /** Durable write: a transaction's end. */
  recordInclusion(hash: string, inclusion: Inclusion): Promise<void>;
  /** Transactions whose end is not known, lowest nonce first. */
  sentTransactions(): Promise<StoredTransaction[]>;
}

export function facilitatorTransactions(db: Kysely<FacilitatorSchema>): FacilitatorTransactions {
  return {
    recordTransaction: (request, sign) => db.transaction().execute((trx) => record(trx, request, sign)),
    recordInclusion: async (hash, inclusion) => {
      await db
        .updateTable("transactions")
        .set(inclusion)
        .where("hash", "=", hash)
        .where("status", "=", "sent")
        .execute();
    },
    sentTransactions: () =>
      db
        .selectFrom("transactions")
        .selectAll()
        .where("status", "=", "sent")
        .orderBy("signer")
        .orderBy("nonce")
        .execute(),
  };
}

async function record(
  trx: Transaction<FacilitatorSchema>,
  { signer, subject, purpose, minedNonces }: TransactionRequest,
  sign: (nonce: number) => Promise<{ hash: string; raw: string }>,
): Promise<StoredTransaction> {
  // Held until commit: another process that signs with the same key waits here.
  await sql`select pg_advisory_xact_lock(hashtextextended(${signer}, 0))`.execute(trx);
  const earlier = await trx
    .selectFrom("transactions")
    .selectAll()
    .where("subject", "=", subject)
    .where("purpose", "=", purpose)
    .where("status", "in", ["sent", "included"])
    .executeTakeFirst();
  if (earlier) return earlier;
  await requireStillWanted(trx, subject, purpose);
  const last = await trx
    .selectFrom("transactions")
    .select("nonce")
    .where("signer", "=", signer)
    .orderBy("nonce", "desc")
    .limit(1)
    .executeTakeFirst();
  const nonce = Math.max(minedNonces, (last?.nonce ?? -1) + 1);
  const { hash, raw } = await sign(nonce);
  return trx
    .insertInto("transactions")
    .values({ signer, nonce, subject, purpose, hash, raw, status: "sent", blockNumber: null, gasUsed: null })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/**
 * Somebody else may have decided on the task meanwhile: money locked for a rejected claim would have nobody to release it,
 * and what counts as lost is not collected any more.
 */
async function requireStillWanted(
  trx: Transaction<FacilitatorSchema>,
  taskId: string,
  purpose: TransactionPurpose,
): Promise<void> {
  if (purpose !== "open" && purpose !== "capture") return;
  const state = await lockTask(trx, taskId);
  if (purpose === "open" && state !== "claimed") throw illegalTransition(taskId, state, "released");
  if (purpose === "capture" && state !== "certified") throw illegalTransition(taskId, state, "settled");
}
