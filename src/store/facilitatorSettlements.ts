import { type Kysely, sql } from "kysely";
import type { SettlementStatus } from "#protocol/settlementStatus.ts";
import type { PaymentAnswer } from "./facilitatorPayments.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

type PaymentStatus = Extract<SettlementStatus, { kind: "payment" }>;
type TaskStatus = Extract<SettlementStatus, { kind: "task" }>;

/** How a settlement stands, as far as the store knows; nothing of it is secret. */
export type StoredSettlement =
  (Omit<PaymentStatus, "answer"> & { answer: PaymentAnswer | null }) | Omit<TaskStatus, "asset">;

/** Settlements of merchants and tasks alike, to be looked at. */
export interface FacilitatorSettlements {
  /** Those that there are of some payment digests and taskIds. Reads by keys alone, however many are asked for. */
  findSettlements(ids: readonly string[]): Promise<StoredSettlement[]>;
}

type Db = Kysely<FacilitatorSchema>;
type WithoutTransactions<Settlement> = Settlement extends unknown ? Omit<Settlement, "transactions"> : never;

export function facilitatorSettlements(db: Db): FacilitatorSettlements {
  return {
    findSettlements: async (ids) => {
      const found = await Promise.all([findPayments(db, ids), findTasks(db, ids)]);
      // Read last: whoever is told of an end is told of the transaction that made it, too.
      const transactions = await findTransactions(db, ids);
      return found.flat().map((settlement) => ({ ...settlement, transactions: transactions.get(settlement.id) ?? [] }));
    },
  };
}

async function findPayments(db: Db, ids: readonly string[]): Promise<WithoutTransactions<StoredSettlement>[]> {
  const signed = sql`payload -> 'permit2Authorization'`;
  const rows = await db
    .selectFrom("payments")
    .select(["digest as id", "state", "amount", "answer"])
    .select([
      sql<string>`${signed} ->> 'from'`.as("payer"),
      sql<string>`${signed} #>> '{witness,to}'`.as("payee"),
      sql<string>`${signed} #>> '{permitted,token}'`.as("asset"),
      sql<string>`${signed} #>> '{permitted,amount}'`.as("maxAmount"),
    ])
    .where("digest", "in", ids)
    .execute();
  return rows.map(({ amount, answer, ...row }) => ({
    ...row,
    kind: "payment",
    amount: amount === null ? null : amount.toString(),
    answer: answer as PaymentAnswer | null,
  }));
}

async function findTasks(db: Db, ids: readonly string[]): Promise<WithoutTransactions<StoredSettlement>[]> {
  const rows = await db
    .selectFrom("tasks")
    .select(["taskId as id", "state"])
    .select([
      sql<string>`task ->> 'payer'`.as("payer"),
      sql<string>`task ->> 'maxAmount'`.as("maxAmount"),
      sql<string | null>`result ->> 'amount'`.as("amount"),
    ])
    .where("taskId", "in", ids)
    .execute();
  return rows.map((row) => ({ ...row, kind: "task" }));
}

async function findTransactions(
  db: Db,
  ids: readonly string[],
): Promise<Map<string, StoredSettlement["transactions"]>> {
  const rows = await db
    .selectFrom("transactions")
    .select(["subject", "purpose", "hash", "status", "blockNumber"])
    .where("subject", "in", ids)
    .orderBy("sentAt")
    .orderBy("nonce")
    .execute();
  const found = new Map<string, StoredSettlement["transactions"]>();
  rows.push(...(await findBatchTransactions(db, ids)));
  for (const { subject, ...transaction } of rows) {
    found.set(subject, [...(found.get(subject) ?? []), transaction]);
  }
  return found;
}

/** Of the batches that settle some of these tasks. */
function findBatchTransactions(db: Db, ids: readonly string[]) {
  return db
    .selectFrom("batchReceipts")
    .innerJoin("batches", "batches.batchId", "batchReceipts.batchId")
    .innerJoin("transactions", "transactions.subject", "batches.batchId")
    .select(["batchReceipts.taskId as subject", "purpose", "hash", "status", "blockNumber"])
    .where("batchReceipts.taskId", "in", ids)
    .where("batches.state", "in", ["certified", "settled"])
    .execute();
}
