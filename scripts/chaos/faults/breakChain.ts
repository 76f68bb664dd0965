import { setTimeout as sleep } from "node:timers/promises";
import type { ChainMode } from "#scripts/chaos/faultyChain.ts";
import type { ChaosProcesses } from "#scripts/chaos/processes.ts";
import { rpc } from "#scripts/chaos/rpc.ts";
import type { FaultOf } from "./faultPlan.ts";
import { pick } from "./pick.ts";

/** Has one of the chain's endpoints go wrong for a while. */
export async function breakChain(processes: ChaosProcesses, fault: FaultOf<"chain">): Promise<void> {
  const { endpoints } = processes;
  // Of three one may lie at a time: two that lie alike are believed.
  const endpoint = pick(endpoints, fault.fault.kind === "lying" ? 0 : fault.endpoint);
  const mode = await modeOf(processes, fault);
  endpoint.mode = mode;
  await sleep(fault.forMs);
  // Another fault may have taken the endpoint over.
  if (endpoint.mode === mode) endpoint.mode = { kind: "honest" };
}

async function modeOf({ chainUrl }: ChaosProcesses, { fault }: FaultOf<"chain">): Promise<ChainMode> {
  if (fault.kind !== "old") return fault;
  const newest = Number(await rpc(chainUrl, "eth_blockNumber"));
  return { kind: "old", head: newest - fault.blocks };
}
