import { type Kysely, sql, type Transaction, type Updateable } from "kysely";
import { OpgError } from "#protocol/errors.ts";
import { type AllowancePermit, allowancePermitIn, GAS_SPONSORING } from "#protocol/gasSponsoring.ts";
import { type ProxyPayload, proxyPayloadJson, type ProxyScheme } from "#protocol/proxyPayment.ts";
import type { PaymentState } from "#protocol/settlementStatus.ts";
import { claimPayments, type ClaimRequest } from "./claimPayments.ts";
import { type EndedPayment, endPayments } from "./endPayments.ts";
import { endClaim, type Loss, type NonceClaim, type NonceOutcome } from "./facilitatorClaims.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { groupedWrites } from "./groupedWrites.ts";
import type { StoredTransaction } from "./facilitatorTransactions.ts";
import { hasSuccessor } from "./pruneTasks.ts";

/** A merchant's payment as it is claimed. */
export interface PaymentClaim {
  /** Digest that the payer signed. */
  digest: string;
  scheme: ProxyScheme;
  payload: ProxyPayload;
  /** Digest of the secret that the merchant gave along; absent where it gave none. */
  merchant: string | null;
  /** URL of what the payer buys, where the payment names it. */
  resource: string | null;
  /** When it lapses if nobody settles it, seconds since 1970; at most the authorization's own deadline. */
  lapsesAt: bigint;
  /** The EIP-2612 permit that has to be submitted before it can be settled. */
  permit: AllowancePermit | null;
  /** The newest block at the time. */
  claimedBlock: number;
}

/** What a claim takes of the payer's, beside the nonce. */
export type PaymentClaimTerms = Pick<NonceClaim, "identifier" | "cap" | "aloneUncapped" | "funds">;

/** How a payment ended, in x402's names. */
export interface PaymentAnswer {
  success: boolean;
  errorReason?: string;
  errorMessage?: string;
  /** Hash; empty where no transaction paid. */
  transaction: string;
  /** Atomic units that were paid. */
  amount?: string;
}

/** All that the facilitator holds of a merchant's payment. */
export interface StoredPayment extends PaymentClaim {
  state: PaymentState;
  identifier: string | null;
  /** Whether it was served a second time. */
  repeated: boolean;
  /** What the merchant settles, atomic units. */
  amount: bigint | null;
  answer: PaymentAnswer | null;
  /** Whether a reorganisation took its settlement back after the merchant was told of it. */
  reorged: boolean;
  transactions: readonly StoredTransaction[];
}

/** Merchants' payments in the facilitator's store. A step that a payment's life does not have changes nothing. */
export interface FacilitatorPayments {
  /** Durable write: takes the payer's nonce for this payment, unless something holds it or the terms forbid it. */
  claimPayment(claim: PaymentClaim, terms: PaymentClaimTerms): Promise<NonceOutcome>;
  /**
   * Durable write: a payment that was claimed at least `afterSeconds` ago and is not settled is served a second time. There
   * is no third.
   *
   * @returns whether it is this caller who may serve it
   */
  recordRepetition(digest: string, afterSeconds: number): Promise<boolean>;
  /**
   * Durable write: the merchant settles `amount` (atomic units), which has to be brought to its end from now on.
   *
   * @returns false where it is being settled already, or is over
   */
  recordSettling(digest: string, amount: bigint): Promise<boolean>;
  /**
   * Durable write: how it ended, once; its nonce stays taken.
   *
   * @returns the answer that stands, which is an earlier one if there was one
   */
  recordPaymentEnd(digest: string, answer: PaymentAnswer, endedAt: number, loss?: Loss): Promise<PaymentAnswer>;
  /** Durable write: nobody settled it in its time, so nothing is owed any more. */
  recordLapse(digest: string, endedAt: number): Promise<void>;
  findPayment(digest: string): Promise<StoredPayment | undefined>;
  /** Payments in one state, earliest deadline first. */
  paymentsIn(state: PaymentState, dueBeforeSeconds?: number): Promise<string[]>;
  /** Forgets payments that ended before then and can be used no more. @returns how many */
  prunePayments(endedBeforeSeconds: number): Promise<number>;
}

/** The durable writes by name: after any of them the process may die and be started again. */
export const paymentWrites = [
  "claimPayment",
  "recordRepetition",
  "recordSettling",
  "recordPaymentEnd",
  "recordLapse",
] as const satisfies readonly (keyof FacilitatorPayments)[];

type Db = Kysely<FacilitatorSchema>;
type Trx = Transaction<FacilitatorSchema>;

/**
 * The life of a payment: from each state, the states that may follow. Beside them, a reorganisation of the chain alone takes a
 * settled or a failed one back to `settling` (`recordReorg`).
 */
export const paymentTransitions: Readonly<Record<PaymentState, readonly PaymentState[]>> = {
  claimed: ["settling", "lapsed"],
  settling: ["settled", "failed"],
  settled: [],
  failed: [],
  lapsed: ["claimed"],
};

export function facilitatorPayments(db: Db): FacilitatorPayments {
  const claimOne = groupedWrites((requests: readonly ClaimRequest[]) => claimPayments(db, requests));
  const settleOne = groupedWrites((settling: readonly SettlingPayment[]) => beginSettling(db, settling));
  const endOne = groupedWrites((ended: readonly EndedPayment[]) =>
    db.transaction().execute((trx) => endPayments(trx, ended)),
  );
  return {
    claimPayment: (claim, terms) => claimOne({ claim, terms }),
    recordRepetition: async (digest, afterSeconds) => {
      const repeated = await db
        .updateTable("payments")
        .set({ repeated: true })
        .where("digest", "=", digest)
        .where("state", "=", "claimed")
        .where("repeated", "=", false)
        .where("claimedAt", "<", sql<Date>`now() - make_interval(secs => ${afterSeconds})`)
        .executeTakeFirst();
      return repeated.numUpdatedRows === 1n;
    },
    recordSettling: (digest, amount) => settleOne({ digest, amount }),
    recordPaymentEnd: (digest, answer, endedAt, loss) => endOne({ digest, answer, endedAt, loss }),
    recordLapse: (digest, endedAt) =>
      db.transaction().execute(async (trx) => {
        if (!(await advance(trx, digest, "lapsed", { endedAt: BigInt(endedAt) }))) return;
        await freeNonce(trx, digest);
      }),
    findPayment: (digest) => find(db, digest),
    paymentsIn: async (state, dueBeforeSeconds) => {
      let query = db.selectFrom("payments").select("digest").where("state", "=", state).orderBy("deadline");
      if (dueBeforeSeconds !== undefined) query = query.where("deadline", "<", BigInt(dueBeforeSeconds));
      return (await query.execute()).map(({ digest }) => digest);
    },
    prunePayments: (endedBeforeSeconds) => db.transaction().execute((trx) => prune(trx, BigInt(endedBeforeSeconds))),
  };
}

async function freeNonce(trx: Trx, digest: string): Promise<void> {
  const claim = await trx
    .selectFrom("claims")
    .select(["payer", "nonce"])
    .where("holder", "=", digest)
    .executeTakeFirst();
  if (claim) await endClaim(trx, claim.payer, claim.nonce, "free");
}

type SettlingPayment = { digest: string; amount: bigint };

/** The same payment twice in a group moves once, for the one that came first. */
async function beginSettling(db: Db, settling: readonly SettlingPayment[]): Promise<boolean[]> {
  const first = new Map(settling.toReversed().map((one) => [one.digest, one]));
  const rows = [...first.values()].map(({ digest, amount }) => sql`(${digest}::text, ${amount}::numeric)`);
  const moved = await sql<{ digest: string }>`update payments p set state = 'settling', amount = v.amount
    from (values ${sql.join(rows)}) v (digest, amount)
    where p.digest = v.digest and p.state = 'claimed'
    returning p.digest`.execute(db);
  const digests = new Set(moved.rows.map(({ digest }) => digest));
  return settling.map((one) => first.get(one.digest) === one && digests.has(one.digest));
}

/** Moves a payment to its next state and nowhere else. @returns whether it moved now */
async function advance(
  db: Db,
  digest: string,
  state: PaymentState,
  values: Updateable<FacilitatorSchema["payments"]>,
): Promise<boolean> {
  const before = (Object.keys(paymentTransitions) as PaymentState[]).filter((earlier) =>
    paymentTransitions[earlier].includes(state),
  );
  const update = db.updateTable("payments").set({ ...values, state });
  const { numUpdatedRows } = await update.where("digest", "=", digest).where("state", "in", before).executeTakeFirst();
  return numUpdatedRows === 1n;
}

async function find(db: Db, digest: string): Promise<StoredPayment | undefined> {
  const row = await db
    .selectFrom("payments")
    .leftJoin("claims", "claims.holder", "payments.digest")
    .selectAll("payments")
    .select("claims.identifier")
    .where("digest", "=", digest)
    .executeTakeFirst();
  if (!row) return undefined;
  const ofPayment = db.selectFrom("transactions").selectAll().where("subject", "=", digest);
  const { scheme, state, merchant, resource, deadline, repeated, claimedBlock, amount, identifier, reorged } = row;
  return {
    ...{ digest, scheme, state, merchant, resource, repeated, claimedBlock, amount, identifier, lapsesAt: deadline },
    payload: proxyPayloadJson[scheme].parse(row.payload),
    permit: row.permit === null ? null : permitIn(row.permit),
    answer: row.answer as PaymentAnswer | null,
    reorged,
    transactions: await ofPayment.orderBy("nonce").execute(),
  };
}

function permitIn(stored: unknown): AllowancePermit {
  const permit = allowancePermitIn({ [GAS_SPONSORING]: stored });
  if (typeof permit === "object") return permit;
  throw new OpgError("internal", "A stored permit cannot be read.");
}

async function prune(trx: Trx, endedBefore: bigint): Promise<number> {
  const ended = await trx
    .deleteFrom("payments")
    .where("endedAt", "<", endedBefore)
    // What has moved money cannot be used again; anything else only after its deadline.
    .where((where) =>
      where.or([where("deadline", "<", endedBefore), where("state", "=", "settled").and("amount", ">", 0n)]),
    )
    .returning("digest")
    .execute();
  await sql`delete from exposures where (payer, token) in
    (select payer, token from exposures where outstanding = 0 for update skip locked)`.execute(trx);
  const digests = ended.map(({ digest }) => digest);
  if (digests.length === 0) return 0;
  await trx.deleteFrom("claims").where("holder", "in", digests).execute();
  const transactions = trx.deleteFrom("transactions").where("subject", "in", digests).where("status", "!=", "sent");
  await transactions.where(hasSuccessor).execute();
  return digests.length;
}
