import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/** When a transaction was signed, so that one can tell how long it has been on its way. */
export const sentAtMigration: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`alter table transactions add column sent_at timestamptz not null default now()`.execute(db);
    await sql`create index transactions_on_their_way on transactions (sent_at) where status = 'sent'`.execute(db);
    await sql`create index transactions_counted on transactions (purpose, status)`.execute(db);
  },
};
