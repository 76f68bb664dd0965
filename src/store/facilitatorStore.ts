import type { Logger } from "#service/logger.ts";
import type { ObservedDatabase } from "#service/watchDatabase.ts";
import { type FacilitatorBatches, facilitatorBatches } from "./facilitatorBatches.ts";
import { type FacilitatorBacklog, facilitatorBacklog } from "./facilitatorBacklog.ts";
import { type FacilitatorExposure, facilitatorExposure } from "./facilitatorExposure.ts";
import { type FacilitatorPayments, facilitatorPayments } from "./facilitatorPayments.ts";
import { type FacilitatorSchema, facilitatorMigrations } from "./facilitatorSchema.ts";
import { type FacilitatorSettlements, facilitatorSettlements } from "./facilitatorSettlements.ts";
import { type FacilitatorTasks, facilitatorTasks } from "./facilitatorTasks.ts";
import { type FacilitatorTransactions, facilitatorTransactions, outboxWrites } from "./facilitatorTransactions.ts";
import { DatabaseLeases, type Leases } from "./leases.ts";
import { openDatabase } from "./openDatabase.ts";
import { type PrefundedTasks, prefundedTasks } from "./prefundedTasks.ts";
import { pruneTasks } from "./pruneTasks.ts";
import { type UncoveredAccounts, uncoveredAccounts } from "./uncoveredAccounts.ts";

/** Everything that the facilitator must not forget. Each write is on disk when its promise resolves. */
export interface FacilitatorStore
  extends
    FacilitatorTasks,
    FacilitatorPayments,
    FacilitatorTransactions,
    FacilitatorSettlements,
    FacilitatorExposure,
    FacilitatorBacklog,
    FacilitatorBatches,
    PrefundedTasks,
    UncoveredAccounts,
    Leases {
  observed: ObservedDatabase;
  /**
   * Forgets tasks that have ended and were due before then, with all that belongs to them but losses.
   *
   * @returns how many of them; some may be left
   */
  pruneTasks(dueBeforeSeconds: number): Promise<number>;
  close(): Promise<void>;
}

/** The durable writes by name: after any of them the process may die and be started again. */
export const facilitatorWrites = [
  "claim",
  "recordRejection",
  "recordRelease",
  "recordLockLost",
  "recordCertificate",
  "recordRefusal",
  "recordRefused",
  "recordExpiry",
  "recordEnding",
  ...outboxWrites,
] as const satisfies readonly (keyof FacilitatorStore)[];

/**
 * Opens the facilitator's database.
 *
 * @param url - `postgresql://user:password@host:port/database`
 * @throws OpgError `configuration` when it cannot be used
 */
export async function openFacilitatorStore(url: string, logger: Logger): Promise<FacilitatorStore> {
  const { db, observed, close } = await openDatabase<FacilitatorSchema>(url, facilitatorMigrations, logger);
  const leases = new DatabaseLeases(url, logger);
  return {
    ...facilitatorTasks(db),
    ...facilitatorPayments(db),
    ...facilitatorTransactions(db),
    ...facilitatorSettlements(db),
    ...facilitatorExposure(db),
    ...facilitatorBacklog(db),
    ...facilitatorBatches(db),
    ...prefundedTasks(db),
    ...uncoveredAccounts(db),
    observed,
    pruneTasks: (dueBeforeSeconds) => pruneTasks(db, dueBeforeSeconds),
    hold: (name, work) => leases.hold(name, work),
    holdIfFree: (name, work) => leases.holdIfFree(name, work),
    close: async () => {
      await leases.close();
      await close();
    },
  };
}
