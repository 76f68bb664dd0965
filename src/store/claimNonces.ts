import { type Kysely, sql } from "kysely";
import type { Exposure, NonceClaim, NonceOutcome } from "./facilitatorClaims.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

type Db = Kysely<FacilitatorSchema>;
type Holder = { holder: string; identifier: string | null };

/** What decides about claims of some payers, as it stands inside the transaction. */
interface Books {
  byNonce: Map<string, Holder>;
  byIdentifier: Map<string, Holder>;
  sponsoring: Set<string>;
  exposure: Map<string, Exposure>;
  /** By payer and token, what was paid lately. */
  paid: Map<string, Paid[]>;
}

/** A claim that was paid in a block. */
interface Paid {
  amount: bigint;
  endedBlock: number;
}

/**
 * Decides on claims, one after the other in their order, inside the transaction that writes what nonces are taken for. Until
 * that transaction ends, no other claim of the same payers is decided, so what is owed is never counted too low. The number
 * of queries does not depend on the number of claims, and none waits for the one before.
 *
 * @param trx - on which a transaction has begun, or `begin` was sent
 */
export async function decideClaims(trx: Db, claims: readonly NonceClaim[]): Promise<NonceOutcome[]> {
  const payers = [...new Set(claims.map(({ payer }) => payer))];
  // In one order for all, so that two groups never wait for each other.
  const locked = sql`select pg_advisory_xact_lock(hashtextextended('payer ' || payer, 0))
    from (select unnest(${payers}::text[]) as payer order by 1) as ordered`.execute(trx);
  const [, books] = await Promise.all([locked, readBooks(trx, claims, payers)]);
  return claims.map((claim) => decide(books, claim));
}

/** Writes claims that were decided on, in the same transaction. */
export async function insertClaims(trx: Db, claims: readonly NonceClaim[]): Promise<void> {
  const column = <Name extends keyof NonceClaim>(name: Name) => claims.map((claim) => claim[name]);
  await sql`insert into claims (payer, nonce, token, holder, amount, exposed, sponsored, identifier)
    select * from unnest(${column("payer")}::text[], ${column("nonce").map(String)}::numeric[], ${column("token")}::text[],
      ${column("holder")}::text[], ${column("amount").map(String)}::numeric[], ${column("exposed")}::boolean[],
      ${column("sponsored")}::boolean[], ${column("identifier")}::text[])`.execute(trx);
}

function decide(books: Books, claim: NonceClaim): NonceOutcome {
  const { payer, nonce, token, holder, amount, identifier, exposed, sponsored, cap, funds, fundsBlock } = claim;
  const byNonce = books.byNonce.get(`${payer} ${nonce}`);
  if (byNonce) return { outcome: "held", by: "nonce", ...byNonce };
  const byIdentifier = identifier === null ? undefined : books.byIdentifier.get(`${payer} ${identifier}`);
  if (byIdentifier) return { outcome: "held", by: "identifier", ...byIdentifier };
  if (sponsored && books.sponsoring.has(`${payer} ${token}`)) return { outcome: "sponsoring" };
  const exposure = books.exposure.get(`${payer} ${token}`) ?? { outstanding: 0n, lost: 0n };
  const owed = exposure.outstanding + amount;
  // Still among the funds, and gone already.
  const unseen = (books.paid.get(`${payer} ${token}`) ?? []).filter(({ endedBlock }) => endedBlock > fundsBlock);
  const outstanding = unseen.reduce((sum, { amount }) => sum + amount, exposure.outstanding);
  if (funds !== undefined && outstanding + amount > funds) return { outcome: "uncovered", ...exposure, outstanding };
  const isAlone = claim.aloneUncapped === true && exposure.outstanding === 0n;
  const isRisky = cap !== undefined && !isAlone && (owed > cap || exposure.lost > 0n);
  if (exposed && isRisky) return { outcome: "overexposed", ...exposure };

  books.byNonce.set(`${payer} ${nonce}`, { holder, identifier });
  if (identifier !== null) books.byIdentifier.set(`${payer} ${identifier}`, { holder, identifier });
  if (sponsored) books.sponsoring.add(`${payer} ${token}`);
  if (exposed) books.exposure.set(`${payer} ${token}`, { ...exposure, outstanding: owed });
  return { outcome: "claimed" };
}

async function readBooks(trx: Db, claims: readonly NonceClaim[], payers: readonly string[]): Promise<Books> {
  const [held, sponsored, exposure, paid] = await Promise.all([
    readHeld(trx, claims, payers),
    claims.some((claim) => claim.sponsored) ? readSponsoring(trx, payers) : [],
    readExposure(trx, payers),
    readPaid(trx, claims, payers),
  ]);
  const holders = held.map(({ payer, nonce, ...holder }) => ({ payer, nonce, holder }));
  return {
    byNonce: new Map(holders.map(({ payer, nonce, holder }) => [`${payer} ${nonce}`, holder])),
    byIdentifier: new Map(holders.map(({ payer, holder }) => [`${payer} ${holder.identifier}`, holder])),
    sponsoring: new Set(sponsored.map(({ payer, token }) => `${payer} ${token}`)),
    exposure,
    paid: Map.groupBy(paid, ({ payer, token }) => `${payer} ${token}`),
  };
}

function readHeld(trx: Db, claims: readonly NonceClaim[], payers: readonly string[]) {
  const nonces = claims.map(({ nonce }) => nonce.toString());
  const identifiers = claims.flatMap(({ identifier }) => identifier ?? []);
  return trx
    .selectFrom("claims")
    .select(["payer", "nonce", "holder", "identifier"])
    .where("payer", "=", anyOf(payers))
    .where((where) =>
      where.or([
        where("nonce", "=", sql<bigint>`any(${nonces}::numeric[])`),
        where("identifier", "=", anyOf(identifiers)),
      ]),
    )
    .execute();
}

function readSponsoring(trx: Db, payers: readonly string[]) {
  const sponsored = trx.selectFrom("claims").select(["payer", "token"]).where("payer", "=", anyOf(payers));
  return sponsored.where("sponsored", "=", true).execute();
}

function readPaid(trx: Db, claims: readonly NonceClaim[], payers: readonly string[]) {
  const seenBlock = Math.min(...claims.map(({ fundsBlock }) => fundsBlock));
  return trx
    .selectFrom("claims")
    .select(["payer", "token", "amount", sql<number>`ended_block`.as("endedBlock")])
    .where("payer", "=", anyOf(payers))
    .where("endedBlock", ">", seenBlock)
    .execute();
}

async function readExposure(trx: Db, payers: readonly string[]): Promise<Map<string, Exposure>> {
  const columns = ["payer", "token", sql<bigint>`sum(amount)`.as("amount")] as const;
  const owed = trx.selectFrom("claims").select(columns).where("payer", "=", anyOf(payers)).where("exposed", "=", true);
  const lost = trx.selectFrom("losses").select(columns).where("payer", "=", anyOf(payers));
  const [owing, losing] = await Promise.all([
    owed.groupBy(["payer", "token"]).execute(),
    lost.groupBy(["payer", "token"]).execute(),
  ]);
  const exposure = new Map<string, Exposure>();
  for (const { payer, token, amount } of owing) exposure.set(`${payer} ${token}`, { outstanding: amount, lost: 0n });
  for (const { payer, token, amount } of losing) {
    const outstanding = exposure.get(`${payer} ${token}`)?.outstanding ?? 0n;
    exposure.set(`${payer} ${token}`, { outstanding, lost: amount });
  }
  return exposure;
}

function anyOf(texts: readonly string[]) {
  return sql<string>`any(${texts}::text[])`;
}
