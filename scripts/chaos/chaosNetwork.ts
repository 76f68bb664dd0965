import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChainProvider, connectChain } from "#chain/provider.ts";
import { lineImage } from "#execution/line/lineImage.ts";
import { awaitNodes, publishDemonstration } from "#scripts/network/readiness.ts";
import { type ChaosProcesses, startChaosProcesses } from "./processes.ts";
import type { Asked } from "./taskPurchase.ts";

/** A network for trials, in a folder of its own. */
export interface ChaosNetwork {
  processes: ChaosProcesses;
  /** The chain past every proxy. */
  chain: ChainProvider;
  /** What may be bought from its nodes, where it has any. */
  asked: Asked | undefined;
  /** Where the daemons' logs lie. */
  logs: string;
  /**
   * Ends everything and removes what it wrote.
   *
   * @param keep - whether the logs stay
   */
  stop(keep: "logs" | "nothing"): Promise<void>;
}

/**
 * Brings up a chain, a database and two replicas of a facilitator.
 *
 * @param withNodes - whether all the other daemons as well
 */
export async function startChaosNetwork(withNodes: boolean): Promise<ChaosNetwork> {
  const folder = await mkdtemp(join(tmpdir(), "opg-chaos-"));
  // PostgreSQL may run as somebody else, and has to pass.
  await chmod(folder, 0o755);
  const processes = await startChaosProcesses(folder);
  const { network, places } = processes;
  const end = async (keep: "logs" | "nothing"): Promise<void> => {
    await processes.stop();
    const elsewhere = join(places.database, "elsewhere");
    if (existsSync(elsewhere)) await rm(await readFile(elsewhere, "utf8"), { recursive: true, force: true });
    const useless = keep === "nothing" ? [folder] : [places.database, places.chain, join(folder, "cache")];
    for (const path of useless) await rm(path, { recursive: true, force: true });
  };
  try {
    const { daemons } = processes;
    await Promise.all([daemons.start("facilitator"), daemons.start("facilitator-2")]);
    const asked = withNodes ? await startNodes(processes) : undefined;
    const chain = await connectChain(network.rpcUrl, network.chainId);
    const stop = async (keep: "logs" | "nothing"): Promise<void> => {
      chain.destroy();
      await end(keep);
    };
    return { processes, chain, asked, logs: join(folder, "logs"), stop };
  } catch (error) {
    await end("logs");
    throw error;
  }
}

async function startNodes(processes: ChaosProcesses): Promise<Asked> {
  const { daemons } = processes;
  await Promise.all(
    (["hub", "gateway", "verifier-1", "verifier-2", "verifier-3"] as const).map((name) => daemons.start(name)),
  );
  const [versionId] = await Promise.all([publishDemonstration(processes), daemons.start("node-1")]);
  await awaitNodes(processes, versionId, 1);
  const picture = await readFile(new URL("../../examples/line/line.png", import.meta.url));
  return { versionId, inputs: { x: lineImage(picture) } };
}
