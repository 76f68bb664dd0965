import { join } from "node:path";
import { freePort } from "./freePort.ts";

/** Where the processes of a local network listen, all on one host. */
export interface Ports {
  chain: number;
  database: number;
  gateway: number;
  facilitator: number;
  hub: number;
  nodes: readonly number[];
  verifiers: readonly number[];
}

/** Ports of `npm start`. */
export const usualPorts: Ports = {
  chain: 8545,
  database: 8432,
  gateway: 8402,
  facilitator: 8403,
  hub: 8404,
  nodes: [8411, 8412],
  verifiers: [8421, 8422, 8423],
};

/** Ports that are free now, for tests. */
export async function freePorts(nodeCount = 2, verifierCount = 3): Promise<Ports> {
  const taken = new Set<number>();
  const next = async (): Promise<number> => {
    const port = await freePort();
    if (taken.has(port)) return next();
    taken.add(port);
    return port;
  };
  const several = async (count: number): Promise<number[]> => {
    const ports: number[] = [];
    while (ports.length < count) ports.push(await next());
    return ports;
  };
  return {
    chain: await next(),
    database: await next(),
    gateway: await next(),
    facilitator: await next(),
    hub: await next(),
    nodes: await several(nodeCount),
    verifiers: await several(verifierCount),
  };
}

/** Folder of all local state, below the folder that npm or Hardhat was started in. */
export const stateFolder = ".opg";

/** Where the description of a network lies: the local one's, or that of the chain that `--network` names. */
export function networkFile(hardhatNetwork: string | undefined): string {
  const isLocal = hardhatNetwork === undefined || hardhatNetwork === "local" || hardhatNetwork === "default";
  return isLocal ? join(stateFolder, "network.json") : join(stateFolder, hardhatNetwork, "network.json");
}

/** Folders and files of a network on this machine; all of its state lies below one folder. */
export function statePlaces(folder: string) {
  return {
    folder,
    network: join(folder, "network.json"),
    chain: join(folder, "chain"),
    /** Written by the chain itself, every few seconds and when it ends. */
    chainState: join(folder, "chain", "state.json"),
    database: join(folder, "database"),
    /** Certificate and key of the root that vouches for the nodes: made with the network, kept as long as it. */
    simulatedRoot: join(folder, "simulatedRoot.pem"),
    cache: (daemon: string) => join(folder, "cache", daemon),
    log: (daemon: string) => join(folder, "logs", `${daemon}.log`),
  };
}

export type StatePlaces = ReturnType<typeof statePlaces>;
