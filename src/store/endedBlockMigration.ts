import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/** In which block a claim was paid: whoever has not seen that block yet counts its amount as owed. */
export const endedBlockMigration: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`alter table claims add column ended_block integer`.execute(db);
    await sql`create index claims_paid on claims (payer, ended_block) where ended_block is not null`.execute(db);
  },
};
