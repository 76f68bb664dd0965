import { setTimeout as sleep } from "node:timers/promises";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import { breakChain } from "./breakChain.ts";
import { breakDatabase } from "./breakDatabase.ts";
import type { FaultPlan } from "./faultPlan.ts";
import { killProcess } from "./killProcess.ts";
import { reorganise } from "./reorganise.ts";
import { shiftClock } from "./shiftClock.ts";

/** Has a fault strike when it was drawn to. Resolves when it is healed. */
export async function inflict(processes: ChaosProcesses, fault: FaultPlan): Promise<void> {
  await sleep(fault.atMs);
  switch (fault.kind) {
    case "kill":
      return killProcess(processes, fault);
    case "chain":
      return breakChain(processes, fault);
    case "reorg":
      return reorganise(processes, fault);
    case "database":
      return breakDatabase(processes, fault);
    case "clock":
      return shiftClock(processes, fault);
    case "race":
      // It lies in what the merchants do.
      return;
  }
}
