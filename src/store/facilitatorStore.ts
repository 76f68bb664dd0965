import type { Logger } from "#service/logger.ts";
import { type FacilitatorSchema, facilitatorMigrations } from "./facilitatorSchema.ts";
import { type FacilitatorTasks, facilitatorTasks } from "./facilitatorTasks.ts";
import { type FacilitatorTransactions, facilitatorTransactions } from "./facilitatorTransactions.ts";
import { openDatabase } from "./openDatabase.ts";

/** Everything that the facilitator must not forget. Each write is on disk when its promise resolves. */
export interface FacilitatorStore extends FacilitatorTasks, FacilitatorTransactions {
  close(): Promise<void>;
}

/** The durable writes by name: after any of them the process may die and be started again. */
export const facilitatorWrites = [
  "claim",
  "recordRejection",
  "recordTransaction",
  "recordInclusion",
  "recordRelease",
  "recordCertificate",
  "recordRefusal",
  "recordRefused",
  "recordExpiry",
  "recordEnding",
] as const satisfies readonly (keyof FacilitatorStore)[];

/**
 * Opens the facilitator's database.
 *
 * @param url - `postgresql://user:password@host:port/database`
 * @throws OpgError `configuration` when it cannot be used
 */
export async function openFacilitatorStore(url: string, logger: Logger): Promise<FacilitatorStore> {
  const { db, close } = await openDatabase<FacilitatorSchema>(url, facilitatorMigrations, logger);
  return { ...facilitatorTasks(db), ...facilitatorTransactions(db), close };
}
