import type { ExpressionBuilder, Insertable, Kysely, Selectable } from "kysely";
import type { InferAnswerJson } from "#protocol/inferAnswer.ts";
import { type ReleasedTask, releasedTaskJson } from "#protocol/messages.ts";
import { taskToJson } from "#protocol/task.ts";
import type { Logger } from "#service/logger.ts";
import type { ObservedDatabase } from "#service/watchDatabase.ts";
import { gatewayMigrations, type GatewaySchema } from "./gatewaySchema.ts";
import { openDatabase } from "./openDatabase.ts";

/** Which payment: what was signed, and by which signature. */
export interface PaymentKey {
  /** Digest that the payer signed. */
  paymentDigest: string;
  /** SHA-256 of the signature. */
  signatureHash: string;
}

/** A payment and the request that it came with. */
export interface BegunPayment extends PaymentKey {
  versionId: string;
  inputDigest: string;
  /** Known to those alone who may have the answer, and to those who compute it. */
  salt: string;
}

/** All that the gateway holds of a payment. */
export interface StoredPayment extends BegunPayment {
  released: ReleasedTask | null;
  /** Only of a released one. */
  answer: InferAnswerJson | null;
}

/** What a gateway must not forget while its payers may ask again. Each write is on disk when its promise resolves. */
export interface GatewayStore {
  /** Durable write: the payment is about to go to the facilitator; one that was released already stays as it is. */
  begin(payment: BegunPayment, now: number, expiresAt: number): Promise<void>;
  /** Durable write: the task that the payment was released for. */
  recordRelease(payment: BegunPayment, released: ReleasedTask, expiresAt: number): Promise<void>;
  /** Durable write: what the payment paid for. */
  recordAnswer(key: PaymentKey, answer: InferAnswerJson, expiresAt: number): Promise<void>;
  /** Durable write: nothing was released for this payment. */
  forget(key: PaymentKey): Promise<void>;
  /** Durable write: payments whose time is over are gone. @returns how many */
  prune(now: number): Promise<number>;
  find(key: PaymentKey, now: number): Promise<StoredPayment | undefined>;
  /** Whatever was signed under this digest, forgeries included. */
  findByDigest(paymentDigest: string, now: number): Promise<StoredPayment[]>;
  observed: ObservedDatabase;
  close(): Promise<void>;
}

type Db = Kysely<GatewaySchema>;

/**
 * Opens the gateway's database; several gateways may share one.
 *
 * @param url - `postgresql://user:password@host:port/database`
 * @throws OpgError `configuration` when it cannot be used
 */
export async function openGatewayStore(url: string, logger: Logger): Promise<GatewayStore> {
  const { db, observed, close } = await openDatabase<GatewaySchema>(url, gatewayMigrations, logger);
  return { ...writes(db), ...reads(db), observed, close };
}

type WriteName = "begin" | "recordRelease" | "recordAnswer" | "forget" | "prune";

const keyColumns = ["paymentDigest", "signatureHash"] as const;

function writes(db: Db): Pick<GatewayStore, WriteName> {
  return {
    begin: async (payment, now, expiresAt) => {
      const row = newRow(payment, expiresAt);
      const insert = db.insertInto("payments").values(row);
      await insert.onConflict((conflict) => conflict.columns(keyColumns).doUpdateSet(row).where(isFree(now))).execute();
    },
    recordRelease: async (payment, released, expiresAt) => {
      const { versionId, inputDigest, salt } = payment;
      const text = JSON.stringify({ ...released, task: taskToJson(released.task) });
      const values = { versionId, inputDigest, salt, released: text };
      const insert = db.insertInto("payments").values({ ...newRow(payment, expiresAt), ...values });
      // At another gateway it may have been refused and forgotten meanwhile, or released and answered.
      await insert.onConflict((conflict) => conflict.columns(keyColumns).doUpdateSet(values)).execute();
    },
    recordAnswer: async (key, answer, expiresAt) => {
      const values = { answer: JSON.stringify(answer), expiresAt: BigInt(expiresAt) };
      await db.updateTable("payments").set(values).where(isOf(key)).execute();
    },
    forget: async (key) => {
      await db.deleteFrom("payments").where(isOf(key)).where("released", "is", null).execute();
    },
    prune: async (now) => {
      const query = db.deleteFrom("payments").where("expiresAt", "<=", BigInt(now));
      return Number((await query.executeTakeFirstOrThrow()).numDeletedRows);
    },
  };
}

type Where = ExpressionBuilder<GatewaySchema, "payments">;

function isOf({ paymentDigest, signatureHash }: PaymentKey) {
  return (row: Where) => row.and({ paymentDigest, signatureHash });
}

/** Rows that another payment under the same key may take: nothing was released for them, or their time is over. */
function isFree(now: number) {
  return (row: Where) => row.or([row("payments.released", "is", null), row("payments.expiresAt", "<=", BigInt(now))]);
}

function reads(db: Db): Pick<GatewayStore, "find" | "findByDigest"> {
  const live = (paymentDigest: string, now: number) =>
    db
      .selectFrom("payments")
      .selectAll()
      .where("paymentDigest", "=", paymentDigest)
      .where("expiresAt", ">", BigInt(now));
  return {
    find: async ({ paymentDigest, signatureHash }, now) => {
      const row = await live(paymentDigest, now).where("signatureHash", "=", signatureHash).executeTakeFirst();
      return row && readPayment(row);
    },
    findByDigest: async (paymentDigest, now) => (await live(paymentDigest, now).execute()).map(readPayment),
  };
}

function newRow(payment: BegunPayment, expiresAt: number): Insertable<GatewaySchema["payments"]> {
  const { paymentDigest, signatureHash, versionId, inputDigest, salt } = payment;
  const request = { versionId, inputDigest, salt };
  return { paymentDigest, signatureHash, ...request, released: null, answer: null, expiresAt: BigInt(expiresAt) };
}

function readPayment({ released, answer, ...row }: Selectable<GatewaySchema["payments"]>): StoredPayment {
  const { paymentDigest, signatureHash, versionId, inputDigest, salt } = row;
  return {
    ...{ paymentDigest, signatureHash, versionId, inputDigest, salt },
    released: released === null ? null : releasedTaskJson.parse(released),
    // Written by a gateway that had checked it; parsing would only change its form.
    answer: answer === null ? null : (answer as InferAnswerJson),
  };
}
