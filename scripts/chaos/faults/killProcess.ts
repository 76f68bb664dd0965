import { setTimeout as sleep } from "node:timers/promises";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import type { DaemonName } from "#scripts/network/daemons.ts";
import type { FaultOf } from "./faultPlan.ts";

/** Kills a daemon as `kill -9` does, and starts it again after a while. */
export function killProcess({ daemons }: ChaosProcesses, { forMs }: FaultOf<"kill">, name: DaemonName): Promise<void> {
  return daemons.exclusively(name, async () => {
    await daemons.kill(name);
    await sleep(forMs);
    await daemons.start(name);
  });
}
