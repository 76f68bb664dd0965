import { type Kysely, sql } from "kysely";
import { allowancePermitToJson } from "#protocol/gasSponsoring.ts";
import { proxyPayloadToJson } from "#protocol/proxyPayment.ts";
import { decideClaims, insertClaims } from "./claimNonces.ts";
import type { NonceClaim, NonceOutcome } from "./facilitatorClaims.ts";
import type { PaymentClaim, PaymentClaimTerms } from "./facilitatorPayments.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

type Db = Kysely<FacilitatorSchema>;

/** A payment to be claimed, and on which terms. */
export interface ClaimRequest {
  claim: PaymentClaim;
  terms: PaymentClaimTerms;
}

/**
 * Claims merchants' payments in one transaction, which waits for the database twice however many they are: all that decides is
 * asked for behind `begin`, and `commit` goes right behind what is written.
 *
 * @returns the outcomes in the order of the requests
 */
export function claimPayments(db: Db, requests: readonly ClaimRequest[]): Promise<NonceOutcome[]> {
  const claims = requests.map(nonceClaimOf);
  return db.connection().execute(async (connection) => {
    try {
      const begun = sql`/* prepared begin */ begin`.execute(connection);
      const [, outcomes] = await Promise.all([begun, decideClaims(connection, claims)]);
      const isTaken = (_: unknown, index: number): boolean => outcomes[index]?.outcome === "claimed";
      await Promise.all([
        insertClaims(connection, claims.filter(isTaken)),
        insertPayments(connection, requests.filter(isTaken)),
        sql`/* prepared commit */ commit`.execute(connection),
      ]);
      return outcomes;
    } catch (error) {
      // Where the connection is gone, so is the transaction.
      await sql`rollback`.execute(connection).catch(() => undefined);
      throw error;
    }
  });
}

function nonceClaimOf({ claim, terms }: ClaimRequest): NonceClaim {
  const { digest, payload, permit, claimedBlock: fundsBlock } = claim;
  const { from: payer, nonce, permitted } = payload.permit2Authorization;
  const { token, amount } = permitted;
  const taken = { payer, nonce, token, amount, holder: digest, fundsBlock };
  return { ...taken, exposed: true, sponsored: permit !== null, ...terms };
}

/** Their nonces were free, so what there may be of them has lapsed. */
async function insertPayments(connection: Db, requests: readonly ClaimRequest[]): Promise<void> {
  const column = <Value>(valueOf: (claim: PaymentClaim) => Value) => requests.map(({ claim }) => valueOf(claim));
  await sql`/* prepared insert_payments */ insert into payments (digest, scheme, state, deadline, payload, merchant, resource, permit, claimed_block)
    select digest, scheme, 'claimed', deadline, payload::jsonb, merchant, resource, permit::jsonb, claimed_block
    from unnest(${column(({ digest }) => digest)}::text[], ${column(({ scheme }) => scheme)}::text[],
      ${column(({ lapsesAt }) => lapsesAt.toString())}::numeric[],
      ${column(({ payload }) => JSON.stringify(proxyPayloadToJson(payload)))}::text[],
      ${column(({ merchant }) => merchant)}::text[], ${column(({ resource }) => resource)}::text[],
      ${column(({ permit }) => permit && JSON.stringify(allowancePermitToJson(permit)))}::text[],
      ${column(({ claimedBlock }) => claimedBlock)}::integer[])
      as claimed (digest, scheme, deadline, payload, merchant, resource, permit, claimed_block)
    on conflict (digest) do update set state = excluded.state, deadline = excluded.deadline, payload = excluded.payload,
      merchant = excluded.merchant, resource = excluded.resource, permit = excluded.permit, amount = null, answer = null,
      ended_at = null, claimed_block = excluded.claimed_block, claimed_at = now(), repeated = false`.execute(
    connection,
  );
}
