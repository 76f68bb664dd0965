import { type Kysely, sql } from "kysely";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

/**
 * Until the end of the transaction nobody else decides what these payers may spend, from accounts or by nonces of Permit2.
 */
export async function lockPayers(trx: Kysely<FacilitatorSchema>, payers: readonly string[]): Promise<void> {
  // In one order for all, so that two groups never wait for each other.
  await sql`/* prepared lock_payers */ select count(pg_advisory_xact_lock(hashtextextended('payer ' || payer, 0)))
    from (select unnest(${payers}::text[]) as payer order by 1) as ordered`.execute(trx);
}
