import { setTimeout as sleep } from "node:timers/promises";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import type { FaultOf } from "./faultPlan.ts";
import { pick } from "./pick.ts";

/** Puts one daemon's clock forward or back for a while. */
export async function shiftClock(
  processes: ChaosProcesses,
  { process, seconds, forMs }: FaultOf<"clock">,
): Promise<void> {
  const name = pick(processes.daemons.names, process);
  await processes.shiftClock(name, seconds);
  await sleep(forMs);
  await processes.shiftClock(name, 0);
}
