import { type Kysely, sql } from "kysely";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

/** How many of something stand where. */
export interface StateCount {
  state: string;
  count: number;
}

/** What the facilitator has to do still, for metrics. */
export interface FacilitatorBacklog {
  transactionCounts(): Promise<{ purpose: string; status: string; count: number }[]>;
  /** How long the transaction that is on its way longest has been so, by the database's clock; 0 where none is. */
  oldestSentSeconds(): Promise<number>;
  /** Without the charges of accounts, which wait for their batch. */
  unfinishedTasks(): Promise<StateCount[]>;
  unfinishedPayments(): Promise<StateCount[]>;
  /** Batches by state; those that were given up by reason, which is empty for others. */
  batchCounts(): Promise<(StateCount & { reason: string })[]>;
}

const count = sql<bigint>`count(*)`.as("count");

export function facilitatorBacklog(db: Kysely<FacilitatorSchema>): FacilitatorBacklog {
  return {
    transactionCounts: async () => {
      const query = db.selectFrom("transactions").select(["purpose", "status", count]).groupBy(["purpose", "status"]);
      return (await query.execute()).map((row) => ({ ...row, count: Number(row.count) }));
    },
    oldestSentSeconds: async () => {
      const age = sql<number>`coalesce(extract(epoch from now() - min(sent_at)), 0)::float8`.as("age");
      const query = db.selectFrom("transactions").select(age).where("status", "=", "sent");
      return (await query.executeTakeFirstOrThrow()).age;
    },
    // The conditions are those of the indexes, word for word.
    unfinishedTasks: async () => {
      const counted = await Promise.all(
        [
          sql<boolean>`not prefunded and state not in ('rejected', 'settled', 'refunded')`,
          sql<boolean>`prefunded and state = 'released'`,
        ].map((unfinished) =>
          db.selectFrom("tasks").select(["state", count]).where(unfinished).groupBy("state").execute(),
        ),
      );
      const totals = Map.groupBy(counted.flat(), ({ state }) => state);
      return [...totals].map(([state, rows]) => ({
        state,
        count: rows.reduce((total, row) => total + Number(row.count), 0),
      }));
    },
    unfinishedPayments: async () => {
      const unfinished = sql<boolean>`state in ('claimed', 'settling')`;
      const query = db.selectFrom("payments").select(["state", count]).where(unfinished).groupBy("state");
      return (await query.execute()).map((row) => ({ ...row, count: Number(row.count) }));
    },
    batchCounts: async () => {
      const query = db.selectFrom("batches").select(["state", "reason", count]).groupBy(["state", "reason"]);
      return (await query.execute()).map(({ state, reason, count }) => {
        return { state, reason: reason ?? "", count: Number(count) };
      });
    },
  };
}
