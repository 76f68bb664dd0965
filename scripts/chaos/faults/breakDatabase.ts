import { setTimeout as sleep } from "node:timers/promises";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import type { FaultOf } from "./faultPlan.ts";

/** Cuts every connection to the facilitators' database: by the server, in between, or so that none comes back for a while. */
export async function breakDatabase(
  { database, books }: ChaosProcesses,
  { way, forMs }: FaultOf<"database">,
): Promise<void> {
  if (way === "terminated") {
    await books.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name <> current_setting('application_name')`);
    return;
  }
  database.isDown = way === "down";
  database.reset();
  if (way === "reset") return;
  await sleep(forMs);
  database.isDown = false;
}
