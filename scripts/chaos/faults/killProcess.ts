import { setTimeout as sleep } from "node:timers/promises";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import type { FaultOf } from "./faultPlan.ts";
import { pick } from "./pick.ts";

/** Kills a daemon as `kill -9` does, and starts it again after a while. */
export async function killProcess(processes: ChaosProcesses, { process, forMs }: FaultOf<"kill">): Promise<void> {
  const name = pick(processes.daemons.names, process);
  await processes.daemons.exclusively(name, async () => {
    await processes.daemons.kill(name);
    await sleep(forMs);
    await processes.daemons.start(name);
  });
}
