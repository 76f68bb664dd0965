import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/** A token counts the permits of each owner by itself, so one of another token can be on its way at the same time. */
export const sponsoredPerTokenMigration: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`drop index claims_sponsored_once`.execute(db);
    await sql`create unique index claims_sponsored_once on claims (payer, token) where sponsored`.execute(db);
  },
};
