import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

type Db = Kysely<FacilitatorSchema>;

/** Claims of nonces over tasks and payments, losses, and transactions that belong to either. */
export const claimsMigration: Migration = {
  async up(db: Db) {
    await createClaims(db);
    await createLosses(db);
    await keepAuthorizations(db);
    await sql`alter table transactions drop constraint transactions_task_id_fkey`.execute(db);
    await sql`alter table transactions rename column task_id to subject`.execute(db);
  },
};

async function createClaims(db: Db): Promise<void> {
  await db.schema
    .createTable("claims")
    .addColumn("payer", "text", (column) => column.notNull())
    .addColumn("nonce", "numeric(78, 0)", (column) => column.notNull())
    .addColumn("holder", "text", (column) => column.notNull())
    .addColumn("token", "text", (column) => column.notNull())
    .addColumn("amount", "numeric(78, 0)", (column) => column.notNull())
    .addColumn("exposed", "boolean", (column) => column.notNull())
    .addColumn("sponsored", "boolean", (column) => column.notNull())
    .addColumn("identifier", "text")
    .addPrimaryKeyConstraint("claims_once", ["payer", "nonce"])
    .execute();
  await sql`create unique index claims_identifier_once on claims (payer, identifier) where identifier is not null`.execute(
    db,
  );
  await sql`create unique index claims_sponsored_once on claims (payer) where sponsored`.execute(db);
  await sql`create index claims_exposed on claims (payer, token) where exposed`.execute(db);
  await sql`create index claims_of_holder on claims (holder)`.execute(db);
  await sql`insert into claims (payer, nonce, holder, token, amount, exposed, sponsored)
    select payer, nonce, task_id, '', (task ->> 'maxAmount')::numeric, false, false from tasks where state <> 'rejected'`.execute(
    db,
  );
}

async function createLosses(db: Db): Promise<void> {
  await db.schema
    .createTable("losses")
    .addColumn("holder", "text", (column) => column.notNull())
    .addColumn("role", "text", (column) => column.notNull())
    .addColumn("recipient", "text", (column) => column.notNull())
    .addColumn("payer", "text", (column) => column.notNull())
    .addColumn("token", "text", (column) => column.notNull())
    .addColumn("amount", "numeric(78, 0)", (column) => column.notNull())
    .addColumn("reason", "text", (column) => column.notNull())
    .addColumn("recordedAt", "timestamptz", (column) => column.notNull().defaultTo(sql`now()`))
    .addPrimaryKeyConstraint("losses_once", ["holder", "role"])
    .execute();
  await sql`create index losses_of_payer on losses (payer, token)`.execute(db);
}

/** What a claimed authorization says beyond its task: a capture needs it again, and so does telling two of them apart. */
async function keepAuthorizations(db: Db): Promise<void> {
  await db.schema
    .alterTable("tasks")
    .addColumn("signature", "text")
    .addColumn("validAfter", "numeric(78, 0)")
    .addColumn("unlocked", "boolean", (column) => column.notNull().defaultTo(false))
    .addColumn("claimedBlock", "integer")
    .execute();
}
