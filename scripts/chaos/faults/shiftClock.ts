import { setTimeout as sleep } from "node:timers/promises";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import type { DaemonName } from "#scripts/network/daemons.ts";
import type { FaultOf } from "./faultPlan.ts";

/** Puts one daemon's clock forward or back for a while. */
export async function shiftClock(
  processes: ChaosProcesses,
  { seconds, forMs }: FaultOf<"clock">,
  name: DaemonName,
): Promise<void> {
  await processes.shiftClock(name, seconds);
  await sleep(forMs);
  await processes.shiftClock(name, 0);
}
