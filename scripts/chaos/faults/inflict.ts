import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonName } from "#scripts/network/daemons.ts";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import { breakChain } from "./breakChain.ts";
import { breakDatabase } from "./breakDatabase.ts";
import type { FaultPlan } from "./faultPlan.ts";
import { killProcess } from "./killProcess.ts";
import { pick } from "./pick.ts";
import { reorganise } from "./reorganise.ts";
import { shiftClock } from "./shiftClock.ts";

/**
 * Has a fault strike when it was drawn to. Resolves when it is healed.
 *
 * @param targets - daemons that it may hit
 */
export async function inflict(
  processes: ChaosProcesses,
  fault: FaultPlan,
  targets: readonly DaemonName[],
): Promise<void> {
  await sleep(fault.atMs);
  switch (fault.kind) {
    case "kill":
      return killProcess(processes, fault, pick(targets, fault.process));
    case "chain":
      return breakChain(processes, fault);
    case "reorg":
      return processes.daemons.exclusively("chain", () => reorganise(processes, fault));
    case "database":
      return breakDatabase(processes, fault);
    case "clock":
      return shiftClock(processes, fault, pick(targets, fault.process));
    case "race":
      // It lies in what the merchants do.
      return;
  }
}
