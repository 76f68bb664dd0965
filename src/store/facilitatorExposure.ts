import { type Kysely, sql } from "kysely";
import type { LostShare } from "./facilitatorClaims.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

/** What all payers together owe of one token without a lock. */
export interface OutstandingTotal {
  token: string;
  /** Atomic units. */
  amount: bigint;
  payers: number;
}

/** What one recipient has lost of one token. */
export interface LossTotal {
  token: string;
  role: LostShare["role"];
  recipient: string;
  /** Atomic units. */
  amount: bigint;
}

/** Sums over everybody, for metrics. */
export interface FacilitatorExposure {
  outstandingTotals(): Promise<OutstandingTotal[]>;
  lossTotals(): Promise<LossTotal[]>;
  /** How many claims were lost, by reason. */
  lossCounts(): Promise<{ reason: string; count: number }[]>;
}

export function facilitatorExposure(db: Kysely<FacilitatorSchema>): FacilitatorExposure {
  return {
    outstandingTotals: async () => {
      const rows = await db
        .selectFrom("exposures")
        .select(["token", sql<bigint>`sum(outstanding)`.as("amount"), sql<bigint>`count(*)`.as("payers")])
        .where("outstanding", ">", 0n)
        .groupBy("token")
        .execute();
      return rows.map(({ payers, ...row }) => ({ ...row, payers: Number(payers) }));
    },
    lossTotals: () =>
      db
        .selectFrom("losses")
        .select(["token", "role", "recipient", sql<bigint>`sum(amount)`.as("amount")])
        .groupBy(["token", "role", "recipient"])
        .execute(),
    lossCounts: async () => {
      const rows = await db
        .selectFrom("losses")
        .select(["reason", sql<bigint>`count(distinct holder)`.as("count")])
        .groupBy("reason")
        .execute();
      return rows.map(({ reason, count }) => ({ reason, count: Number(count) }));
    },
  };
}
