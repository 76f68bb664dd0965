import type { ColumnType, Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** A JSON column that keeps its text as it was written, so that an answer is the same to the last byte. */
type Json = ColumnType<unknown, string | null, string | null>;

/** Tables of the gateway's database, in the names that queries use. */
export interface GatewaySchema {
  /** One row per payment, from before it is claimed until its answer is forgotten. */
  payments: {
    /** Digest that the payer signed. */
    paymentDigest: string;
    /** SHA-256 of the signature: forgeries of a payment are rows of their own. */
    signatureHash: string;
    versionId: string;
    inputDigest: string;
    salt: string;
    released: Json;
    answer: Json;
    /** Seconds since 1970. */
    expiresAt: bigint;
  };
}

const payments: Migration = {
  async up(db: Kysely<GatewaySchema>) {
    await db.schema
      .createTable("payments")
      .addColumn("paymentDigest", "text", (column) => column.notNull())
      .addColumn("signatureHash", "text", (column) => column.notNull())
      .addColumn("versionId", "text", (column) => column.notNull())
      .addColumn("inputDigest", "text", (column) => column.notNull())
      .addColumn("salt", "text", (column) => column.notNull())
      .addColumn("released", "json")
      .addColumn("answer", "json")
      .addColumn("expiresAt", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("payments_once", ["paymentDigest", "signatureHash"])
      .execute();
    await db.schema.createIndex("payments_expiring").on("payments").column("expiresAt").execute();
  },
};

/** Migrations of the gateway's database, by name. */
export const gatewayMigrations: Readonly<Record<string, Migration>> = { "001_payments": payments };
