import type { AccountFacts } from "#chain/accountStates.ts";
import type { BatchesAdapter } from "#chain/batches.ts";
import type { Dependencies } from "../dependencies.ts";

/** What building, certifying and settling batches takes. */
export interface BatchDependencies extends Pick<
  Dependencies,
  "network" | "verifierSet" | "wallet" | "store" | "outbox" | "clock" | "logger"
> {
  batches: Pick<BatchesAdapter, "headOf" | "settledBatch" | "populateSettleBatch">;
  /** Accounts at this facilitator, at the newest block. */
  readAccounts: (payers: readonly string[]) => Promise<AccountFacts[]>;
}
