import { sql, type Transaction } from "kysely";
import type { Exposure, NonceClaim, NonceOutcome } from "./facilitatorClaims.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

type Trx = Transaction<FacilitatorSchema>;
type Holder = { holder: string; identifier: string | null };

/** What decides about claims of some payers, as it stands inside the transaction. */
interface Books {
  byNonce: Map<string, Holder>;
  byIdentifier: Map<string, Holder>;
  sponsoring: Set<string>;
  exposure: Map<string, Exposure>;
}

/**
 * Takes nonces inside the transaction that writes what they are taken for; the claims are decided one after the other, in
 * their order. Until that transaction ends, no other claim of the same payers is decided, so what is owed is never counted
 * too low. The number of queries does not depend on the number of claims.
 */
export async function claimNonces(trx: Trx, claims: readonly NonceClaim[]): Promise<NonceOutcome[]> {
  const payers = [...new Set(claims.map(({ payer }) => payer))];
  // In one order for all, so that two groups never wait for each other.
  await sql`select pg_advisory_xact_lock(hashtextextended('payer ' || payer, 0))
    from (select unnest(${payers}::text[]) as payer order by 1) as ordered`.execute(trx);
  const books = await readBooks(trx, claims, payers);
  const outcomes = claims.map((claim) => decide(books, claim));
  const taken = claims.filter((_, index) => outcomes[index]?.outcome === "claimed");
  if (taken.length > 0) {
    await trx.insertInto("claims").values(taken.map(rowOf)).execute();
  }
  return outcomes;
}

function rowOf({ payer, nonce, token, holder, amount, exposed, sponsored, identifier }: NonceClaim) {
  return { payer, nonce, token, holder, amount, exposed, sponsored, identifier };
}

function decide(books: Books, claim: NonceClaim): NonceOutcome {
  const { payer, nonce, token, holder, amount, identifier, exposed, sponsored, cap, funds } = claim;
  const byNonce = books.byNonce.get(`${payer} ${nonce}`);
  if (byNonce) return { outcome: "held", by: "nonce", ...byNonce };
  const byIdentifier = identifier === null ? undefined : books.byIdentifier.get(`${payer} ${identifier}`);
  if (byIdentifier) return { outcome: "held", by: "identifier", ...byIdentifier };
  if (sponsored && books.sponsoring.has(`${payer} ${token}`)) return { outcome: "sponsoring" };
  const exposure = books.exposure.get(`${payer} ${token}`) ?? { outstanding: 0n, lost: 0n };
  const owed = exposure.outstanding + amount;
  if (funds !== undefined && owed > funds) return { outcome: "uncovered", ...exposure };
  const isAlone = claim.aloneUncapped === true && exposure.outstanding === 0n;
  const isRisky = cap !== undefined && !isAlone && (owed > cap || exposure.lost > 0n);
  if (exposed && isRisky) return { outcome: "overexposed", ...exposure };

  books.byNonce.set(`${payer} ${nonce}`, { holder, identifier });
  if (identifier !== null) books.byIdentifier.set(`${payer} ${identifier}`, { holder, identifier });
  if (sponsored) books.sponsoring.add(`${payer} ${token}`);
  if (exposed) books.exposure.set(`${payer} ${token}`, { ...exposure, outstanding: owed });
  return { outcome: "claimed" };
}

async function readBooks(trx: Trx, claims: readonly NonceClaim[], payers: readonly string[]): Promise<Books> {
  const nonces = claims.map(({ nonce }) => nonce.toString());
  const identifiers = claims.flatMap(({ identifier }) => identifier ?? []);
  const held = await trx
    .selectFrom("claims")
    .select(["payer", "nonce", "holder", "identifier"])
    .where("payer", "in", payers)
    .where((where) =>
      where.or([
        where("nonce", "=", sql<bigint>`any(${nonces}::numeric[])`),
        where("identifier", "=", sql<string>`any(${identifiers}::text[])`),
      ]),
    )
    .execute();
  const sponsored = claims.some((claim) => claim.sponsored)
    ? await trx
        .selectFrom("claims")
        .select(["payer", "token"])
        .where("payer", "in", payers)
        .where("sponsored", "=", true)
        .execute()
    : [];
  return {
    byNonce: new Map(held.map(({ payer, nonce, holder, identifier }) => [`${payer} ${nonce}`, { holder, identifier }])),
    byIdentifier: new Map(
      held.map(({ payer, holder, identifier }) => [`${payer} ${identifier}`, { holder, identifier }]),
    ),
    sponsoring: new Set(sponsored.map(({ payer, token }) => `${payer} ${token}`)),
    exposure: await readExposure(trx, payers),
  };
}

async function readExposure(trx: Trx, payers: readonly string[]): Promise<Map<string, Exposure>> {
  const owed = await trx
    .selectFrom("claims")
    .select(["payer", "token", sql<bigint>`sum(amount)`.as("amount")])
    .where("payer", "in", payers)
    .where("exposed", "=", true)
    .groupBy(["payer", "token"])
    .execute();
  const lost = await trx
    .selectFrom("losses")
    .select(["payer", "token", sql<bigint>`sum(amount)`.as("amount")])
    .where("payer", "in", payers)
    .groupBy(["payer", "token"])
    .execute();
  const exposure = new Map<string, Exposure>();
  for (const { payer, token, amount } of owed) exposure.set(`${payer} ${token}`, { outstanding: amount, lost: 0n });
  for (const { payer, token, amount } of lost) {
    const outstanding = exposure.get(`${payer} ${token}`)?.outstanding ?? 0n;
    exposure.set(`${payer} ${token}`, { outstanding, lost: amount });
  }
  return exposure;
}
