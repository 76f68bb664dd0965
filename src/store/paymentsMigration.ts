import { type ColumnType, type Generated, type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { ProxyScheme } from "#protocol/proxyPayment.ts";
import type { PaymentState } from "#protocol/settlementStatus.ts";

type Json = ColumnType<unknown, string, string>;
type NullableJson = ColumnType<unknown, string | null, string | null>;

/** One row per authorization that a merchant was paid with. */
export interface PaymentsTable {
  /** Digest that the payer signed. */
  digest: string;
  scheme: ProxyScheme;
  state: PaymentState;
  /** When it lapses unless it is settled, seconds since 1970. */
  deadline: bigint;
  /** Signature and authorization. */
  payload: Json;
  /** SHA-256 of the secret that the merchant verified it with: who has it alone may settle. */
  merchant: string | null;
  /** The payer's EIP-2612 permit that is submitted before. */
  permit: NullableJson;
  /** URL of what the payer buys with it, where the payment names one. */
  resource: string | null;
  claimedAt: Generated<Date>;
  /** Whether it was served a second time. */
  repeated: Generated<boolean>;
  /** No settlement can be in a block before this one. */
  claimedBlock: number;
  /** What the merchant settles, atomic units. */
  amount: bigint | null;
  /** What the merchant was answered in the end. */
  answer: NullableJson;
  /** Seconds since 1970. */
  endedAt: bigint | null;
  /** Whether the block that held its settlement was replaced by one that does not, after the merchant was told. */
  reorged: Generated<boolean>;
}

/** Payments of merchants. */
export const paymentsMigration: Migration = {
  async up(db: Kysely<{ payments: PaymentsTable }>) {
    await db.schema
      .createTable("payments")
      .addColumn("digest", "text", (column) => column.primaryKey())
      .addColumn("scheme", "text", (column) => column.notNull())
      .addColumn("state", "text", (column) => column.notNull())
      .addColumn("deadline", "numeric(78, 0)", (column) => column.notNull())
      .addColumn("payload", "jsonb", (column) => column.notNull())
      .addColumn("merchant", "text")
      .addColumn("permit", "jsonb")
      .addColumn("resource", "text")
      .addColumn("claimedAt", "timestamptz", (column) => column.notNull().defaultTo(sql`now()`))
      .addColumn("repeated", "boolean", (column) => column.notNull().defaultTo(false))
      .addColumn("claimedBlock", "integer", (column) => column.notNull())
      .addColumn("amount", "numeric(78, 0)")
      .addColumn("answer", "jsonb")
      .addColumn("endedAt", "bigint")
      .execute();
    await sql`create index payments_unfinished on payments (deadline) where state in ('claimed', 'settling')`.execute(
      db,
    );
    await sql`create index payments_ended on payments (ended_at) where ended_at is not null`.execute(db);
  },
};
