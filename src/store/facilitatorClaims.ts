import { type Kysely, sql, type Transaction } from "kysely";
import { decideClaims, insertClaims } from "./claimNonces.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

/** A payer's Permit2 nonce as a task or a merchant's payment takes it. */
export interface NonceClaim {
  payer: string;
  nonce: bigint;
  token: string;
  /** Who takes it: a taskId or a payment digest. */
  holder: string;
  /** Signed ceiling, atomic units. */
  amount: bigint;
  /** Whether the amount is owed without a lock until the claim ends. */
  exposed: boolean;
  /** Whether we submit the payer's EIP-2612 permit for it; one at a time per payer and token, which counts its permits. */
  sponsored: boolean;
  /** x402's payment-identifier: one claim of the payer's has it. */
  identifier: string | null;
  /** What this payer may owe of this token at the same time, atomic units; only for what is exposed. */
  cap?: bigint;
  /** Whether it passes the cap, and a loss, where nothing else is owed. */
  aloneUncapped?: boolean;
  /** What the payer has for everything that is owed of this token, this claim included; atomic units. */
  funds?: bigint;
  /** The block of which `funds` are: what was paid in a later one is still among them, and counts as owed. */
  fundsBlock: number;
}

/** What a payer owes of one token, and has left unpaid for good; atomic units. */
export interface Exposure {
  outstanding: bigint;
  lost: bigint;
}

/** How a claim of a nonce went. Only after `claimed` is anything written. */
export type NonceOutcome =
  | { outcome: "claimed" }
  /** Nonce or identifier belong to this holder, which may be the same. */
  | { outcome: "held"; by: "nonce" | "identifier"; holder: string; identifier: string | null }
  /** Another permit of this payer's for this token is on its way. */
  | { outcome: "sponsoring" }
  /** Above `cap`, or the payer has left a loss before. */
  | ({ outcome: "overexposed" } & Exposure)
  /** `funds` do not cover what is owed and this claim. */
  | ({ outcome: "uncovered" } & Exposure);

/** What one recipient would have got; atomic units of the claim's token. */
export interface LostShare {
  role: "node" | "verifiers" | "treasury" | "merchant";
  recipient: string;
  amount: bigint;
}

/** A charge that nobody can collect any more, and who would have got it. */
export interface Loss {
  /** Why, in one `snake_case` word. */
  reason: string;
  shares: readonly LostShare[];
}

type Db = Kysely<FacilitatorSchema>;
type Trx = Transaction<FacilitatorSchema>;

/** Takes one payer's nonce inside the transaction that writes what it is taken for, see {@link decideClaims}. */
export async function claimNonce(trx: Trx, claim: NonceClaim): Promise<NonceOutcome> {
  const [outcome] = await decideClaims(trx, [claim]);
  if (outcome?.outcome === "claimed") await insertClaims(trx, [claim]);
  return outcome as NonceOutcome;
}

/**
 * Ends a claim: nothing is owed under it any more.
 *
 * @param ending - `free` gives the nonce back, where no signature for it can be used any more or nothing was done with it;
 * `keep` leaves it taken
 * @param loss - recorded once, however often it is told
 */
export async function endClaim(
  trx: Trx,
  payer: string,
  nonce: bigint,
  ending: "keep" | "free",
  loss?: Loss,
): Promise<void> {
  if (loss) await recordLoss(trx, payer, nonce, loss);
  if (ending === "free") {
    await trx.deleteFrom("claims").where("payer", "=", payer).where("nonce", "=", nonce).execute();
    return;
  }
  await trx
    .updateTable("claims")
    .set({ exposed: false, sponsored: false, endedBlock: blockOfPayment })
    .where("payer", "=", payer)
    .where("nonce", "=", nonce)
    .execute();
}

/** Of a claim that is being ended: the block that holds the transaction by which it was paid. */
export const blockOfPayment = sql<number | null>`(select max(block_number) from transactions
  where subject = claims.holder and status = 'included' and purpose in ('settle', 'capture'))`;

/** The permit that was submitted for a claim has had its effect, or none: the payer may have another one sponsored. */
export async function endSponsorship(trx: Trx, payer: string, nonce: bigint): Promise<void> {
  const claim = trx.updateTable("claims").set({ sponsored: false });
  await claim.where("payer", "=", payer).where("nonce", "=", nonce).execute();
}

/** A claim's amount is owed without a lock again, whose end or lock a reorganisation took back. */
export async function oweAgain(trx: Trx, payer: string, nonce: bigint): Promise<void> {
  const claim = trx.updateTable("claims").set({ exposed: true, endedBlock: null });
  await claim.where("payer", "=", payer).where("nonce", "=", nonce).execute();
}

/**
 * What a payer owes of a token without a lock, and has ever left unpaid.
 *
 * @param seenBlock - what was paid in a later block counts as owed, too
 */
export async function exposureOf(db: Db, payer: string, token: string, seenBlock?: number): Promise<Exposure> {
  const { rows } = await sql<Exposure>`select
    coalesce((select outstanding from exposures where payer = ${payer} and token = ${token}), 0)
      + coalesce((select sum(amount) from claims
          where payer = ${payer} and token = ${token} and ended_block > ${seenBlock ?? null}::integer), 0) as outstanding,
    coalesce((select sum(amount) from losses where payer = ${payer} and token = ${token}), 0) as lost`.execute(db);
  return rows[0] as Exposure;
}

async function recordLoss(trx: Trx, payer: string, nonce: bigint, { reason, shares }: Loss): Promise<void> {
  const claim = await trx
    .selectFrom("claims")
    .select(["holder", "token"])
    .where("payer", "=", payer)
    .where("nonce", "=", nonce)
    .executeTakeFirstOrThrow();
  for (const share of shares) {
    await trx
      .insertInto("losses")
      .values({ ...claim, ...share, payer, reason })
      .onConflict((conflict) => conflict.columns(["holder", "role"]).doNothing())
      .execute();
  }
}
