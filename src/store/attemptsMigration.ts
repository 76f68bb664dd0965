import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

/** Several attempts of one nonce, and transactions that are watched until their block is deep enough. */
export const attemptsMigration: Migration = {
  async up(db: Kysely<FacilitatorSchema>) {
    await db.schema
      .createTable("attempts")
      .addColumn("hash", "text", (column) => column.primaryKey())
      .addColumn("signer", "text", (column) => column.notNull())
      .addColumn("nonce", "integer", (column) => column.notNull())
      .addColumn("raw", "text", (column) => column.notNull())
      .addForeignKeyConstraint("attempts_of_nonce", ["signer", "nonce"], "transactions", ["signer", "nonce"], (key) =>
        key.onDelete("cascade"),
      )
      .execute();
    await sql`create index attempts_by_nonce on attempts (signer, nonce)`.execute(db);
    await sql`insert into attempts (hash, signer, nonce, raw)
      select hash, signer, nonce, raw from transactions where status = 'sent'`.execute(db);
    await sql`alter table transactions add column block_hash text`.execute(db);
    await sql`alter table transactions add column final boolean not null default false`.execute(db);
    await sql`update transactions set final = true where status <> 'sent'`.execute(db);
    await sql`create index transactions_watched on transactions (signer, nonce) where not final`.execute(db);
    await sql`alter table tasks add column reorged boolean not null default false`.execute(db);
    await sql`create index tasks_reorged on tasks (task_id) where reorged`.execute(db);
    await sql`alter table payments add column reorged boolean not null default false`.execute(db);
  },
};
