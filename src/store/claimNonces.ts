import { type Kysely, sql } from "kysely";
import type { Exposure, NonceClaim, NonceOutcome } from "./facilitatorClaims.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { lockPayers } from "./payerLocks.ts";

type Db = Kysely<FacilitatorSchema>;
/** What the database holds against a claim. */
interface Standing extends Exposure {
  /** Who has the nonce, and under which identifier. */
  nonceHolder: string | null;
  nonceIdentifier: string | null;
  /** Who has the identifier. */
  identifierHolder: string | null;
  isSponsoring: boolean;
  /** Paid in a block that the claim's funds are not of: still among the funds, and gone already. */
  unseen: bigint;
}

/** What the claims before in the same group have taken. */
interface Taken {
  nonces: Map<string, NonceClaim>;
  identifiers: Map<string, NonceClaim>;
  sponsoring: Set<string>;
  outstanding: Map<string, bigint>;
}

/**
 * Decides on claims, one after the other in their order, inside the transaction that writes what nonces are taken for. Until
 * that transaction ends, no other claim of the same payers is decided, so what is owed is never counted too low. The number
 * of queries does not depend on the number of claims, none waits for the one before, and each claim is looked up by its keys,
 * so that it takes no longer where a payer has many.
 *
 * @param trx - on which a transaction has begun, or `begin` was sent
 */
export async function decideClaims(trx: Db, claims: readonly NonceClaim[]): Promise<NonceOutcome[]> {
  const locked = lockPayers(trx, [...new Set(claims.map(({ payer }) => payer))]);
  const [, standings] = await Promise.all([locked, readStandings(trx, claims)]);
  const taken: Taken = { nonces: new Map(), identifiers: new Map(), sponsoring: new Set(), outstanding: new Map() };
  return claims.map((claim, index) => decide(claim, standings[index] as Standing, taken));
}

/** Writes claims that were decided on, in the same transaction. */
export async function insertClaims(trx: Db, claims: readonly NonceClaim[]): Promise<void> {
  const column = <Name extends keyof NonceClaim>(name: Name) => claims.map((claim) => claim[name]);
  await sql`/* prepared insert_claims */ insert into claims (payer, nonce, token, holder, amount, exposed, sponsored, identifier)
    select * from unnest(${column("payer")}::text[], ${column("nonce").map(String)}::numeric[], ${column("token")}::text[],
      ${column("holder")}::text[], ${column("amount").map(String)}::numeric[], ${column("exposed")}::boolean[],
      ${column("sponsored")}::boolean[], ${column("identifier")}::text[])`.execute(trx);
}

function decide(claim: NonceClaim, standing: Standing, taken: Taken): NonceOutcome {
  const { payer, nonce, token, amount, identifier, exposed, sponsored, cap, funds } = claim;
  const [nonceKey, identifierKey, walletKey] = [`${payer} ${nonce}`, `${payer} ${identifier}`, `${payer} ${token}`];
  const held = heldBy(standing, taken.nonces.get(nonceKey), taken.identifiers.get(identifierKey), identifier);
  if (held) return held;
  if (sponsored && (standing.isSponsoring || taken.sponsoring.has(walletKey))) return { outcome: "sponsoring" };
  const { lost } = standing;
  const owed = standing.outstanding + (taken.outstanding.get(walletKey) ?? 0n);
  const outstanding = owed + standing.unseen;
  if (funds !== undefined && outstanding + amount > funds) return { outcome: "uncovered", outstanding, lost };
  const isAlone = claim.aloneUncapped === true && owed === 0n;
  const isRisky = cap !== undefined && !isAlone && (owed + amount > cap || lost > 0n);
  if (exposed && isRisky) return { outcome: "overexposed", outstanding: owed, lost };

  taken.nonces.set(nonceKey, claim);
  if (identifier !== null) taken.identifiers.set(identifierKey, claim);
  if (sponsored) taken.sponsoring.add(walletKey);
  if (exposed) taken.outstanding.set(walletKey, (taken.outstanding.get(walletKey) ?? 0n) + amount);
  return { outcome: "claimed" };
}

function heldBy(
  { nonceHolder, nonceIdentifier, identifierHolder }: Standing,
  sameNonce: NonceClaim | undefined,
  sameIdentifier: NonceClaim | undefined,
  identifier: string | null,
): NonceOutcome | undefined {
  const held = (by: "nonce" | "identifier", holder: string, identifier: string | null): NonceOutcome => {
    return { outcome: "held", by, holder, identifier };
  };
  if (nonceHolder !== null) return held("nonce", nonceHolder, nonceIdentifier);
  if (sameNonce) return held("nonce", sameNonce.holder, sameNonce.identifier);
  if (identifierHolder !== null) return held("identifier", identifierHolder, identifier);
  return sameIdentifier && held("identifier", sameIdentifier.holder, identifier);
}

/** Every look is a lateral one that one plan does best by its index, be there few claims or many. */
async function readStandings(trx: Db, claims: readonly NonceClaim[]): Promise<Standing[]> {
  const column = <Value>(valueOf: (claim: NonceClaim) => Value) => claims.map(valueOf);
  const { rows } = await sql<Standing>`/* prepared claim_standings */
    select by_nonce.holder as nonce_holder, by_nonce.identifier as nonce_identifier,
      (select holder from claims where payer = c.payer and identifier = c.identifier limit 1) as identifier_holder,
      c.sponsored and exists (select from claims where payer = c.payer and token = c.token and sponsored) as is_sponsoring,
      coalesce((select outstanding from exposures where payer = c.payer and token = c.token), 0) as outstanding,
      coalesce((select sum(amount) from losses where payer = c.payer and token = c.token), 0) as lost,
      coalesce((select sum(amount) from claims
        where payer = c.payer and ended_block > c.funds_block and token = c.token), 0) as unseen
    from unnest(${column(({ payer }) => payer)}::text[], ${column(({ nonce }) => nonce.toString())}::numeric[],
      ${column(({ token }) => token)}::text[], ${column(({ identifier }) => identifier)}::text[],
      ${column(({ sponsored }) => sponsored)}::boolean[], ${column(({ fundsBlock }) => fundsBlock)}::integer[])
      with ordinality as c (payer, nonce, token, identifier, sponsored, funds_block, at)
    left join lateral
      (select holder, identifier from claims where payer = c.payer and nonce = c.nonce limit 1) as by_nonce on true
    order by c.at`.execute(trx);
  return rows;
}
