import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChainProvider, connectChain } from "#chain/provider.ts";
import { type ChaosProcesses, startChaosProcesses } from "./processes.ts";

/** A network for trials, in a folder of its own. */
export interface ChaosNetwork {
  processes: ChaosProcesses;
  /** The chain past every proxy. */
  chain: ChainProvider;
  /** Where the daemons' logs lie. */
  logs: string;
  /**
   * Ends everything and removes what it wrote.
   *
   * @param keep - whether the logs stay
   */
  stop(keep: "logs" | "nothing"): Promise<void>;
}

/** Brings up a chain, a database and two replicas of a facilitator. */
export async function startChaosNetwork(): Promise<ChaosNetwork> {
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
    const chain = await connectChain(network.rpcUrl, network.chainId);
    const stop = async (keep: "logs" | "nothing"): Promise<void> => {
      chain.destroy();
      await end(keep);
    };
    return { processes, chain, logs: join(folder, "logs"), stop };
  } catch (error) {
    await end("logs");
    throw error;
  }
}
