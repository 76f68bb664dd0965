import type { AccountState } from "#chain/accountReader.ts";
import type { BatchesAdapter } from "#chain/batches.ts";
import type { Dependencies } from "#facilitator/dependencies.ts";

/** What building, certifying and settling batches takes. */
export interface BatchDependencies extends Pick<
  Dependencies,
  "network" | "terms" | "verifierSet" | "settlement" | "wallet" | "store" | "outbox" | "clock" | "logger"
> {
  batches: Pick<BatchesAdapter, "headOf" | "settledBatch" | "populateSettleBatch">;
  /** Accounts at this facilitator, at the newest block. */
  readAccounts: (payers: readonly string[]) => Promise<AccountState[]>;
  /** Aborted when the process is to end: nobody is waited for then. */
  stopping: AbortSignal;
}
