import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Network } from "#protocol/network.ts";
import type { NetworkParameters } from "#deploy/parameters.ts";
import { deployLocally } from "./deployLocally.ts";
import { describeNetwork } from "./describeNetwork.ts";
import { daemonOptions, type DaemonName, type DaemonSetting } from "./daemons.ts";
import { requireFreePort } from "./freePort.ts";
import { type Ports, type StatePlaces, statePlaces } from "./places.ts";
import { openSimulatedRoot } from "./simulatedRoot.ts";
import { startChain } from "./startChain.ts";
import { startDatabase } from "./startDatabase.ts";
import { type DaemonProcess, type ProcessOptions, startProcess } from "./startProcess.ts";

export const LOCAL_CHAIN_ID = 31_337;

/** What a local network is made of. */
export interface LocalNetworkOptions extends Pick<DaemonSetting, "env" | "programs"> {
  /** All state lies here; a network that lies here already goes on. */
  folder: string;
  host: string;
  ports: Ports;
  blockTimeSeconds: number;
  /** Instead of the usual parameters, such as shorter windows in a test. */
  parameters?: Partial<NetworkParameters>;
  /** Told what happens, one line at a time. */
  progress: (line: string) => void;
}

/** What differs from a daemon's own program and settings. */
export type DaemonChange = Partial<Pick<ProcessOptions, "program" | "env">>;

/** A chain, a database and a deployed network, on which daemons can be started, killed and started again. */
export interface LocalNetwork {
  network: Network;
  places: StatePlaces;
  daemons: ReadonlyMap<DaemonName, DaemonProcess>;
  /** Connection URL of a daemon's own database. */
  databaseUrl: (database: string) => Promise<string>;
  /** Starts a daemon and waits until it listens; a program and settings other than its own can stand in. */
  start(name: DaemonName, change?: DaemonChange): Promise<DaemonProcess>;
  /** Ends everything, the last started first. */
  stop(): Promise<void>;
}

/** Brings up chain and database, deploys what is not deployed yet, and writes `network.json`. */
export async function startLocalNetwork(options: LocalNetworkOptions): Promise<LocalNetwork> {
  const places = statePlaces(options.folder);
  await forgetLostChain(places);
  await mkdir(options.folder, { recursive: true });
  await requireFreePorts(options);
  const running: Stoppable[] = [];
  const daemons = new Map<DaemonName, DaemonProcess>();
  const stop = async (): Promise<void> => {
    await Promise.all([...daemons.values()].map((daemon) => daemon.stop()));
    for (const process of running.splice(0).reverse()) await process.stop();
  };
  try {
    const { network, setting } = await bringUp(options, places, running);
    const start = async (name: DaemonName, change: DaemonChange = {}): Promise<DaemonProcess> => {
      const own = await daemonOptions(name, setting);
      const daemon = await startProcess({ ...own, ...change, env: { ...own.env, ...change.env } });
      daemons.set(name, daemon);
      return daemon;
    };
    return { network, places, daemons, databaseUrl: setting.databaseUrl, start, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Stoppable {
  stop(): Promise<void>;
}

async function bringUp(options: LocalNetworkOptions, places: StatePlaces, running: Stoppable[]) {
  const { host, ports, blockTimeSeconds, progress } = options;
  progress(`chain on port ${ports.chain}, PostgreSQL on port ${ports.database}`);
  const chainOptions = {
    host,
    port: ports.chain,
    stateFolder: places.chain,
    blockTimeSeconds,
    chainId: LOCAL_CHAIN_ID,
  };
  const chain = await startChain({ ...chainOptions, logFile: places.log("chain") });
  running.push(chain);
  const logFile = places.log("database");
  const database = await startDatabase({ folder: places.database, port: ports.database, logFile });
  running.push(database);

  progress("Permit2 and the contracts");
  const root = await openSimulatedRoot(places.simulatedRoot);
  const evidenceRoots = { simulated: [root.fingerprint] };
  const deployment = await deployLocally(chain.url, places.folder, { evidenceRoots, ...options.parameters });
  const network = describeNetwork({ name: "local", rpcUrl: chain.url, host, ports, ...deployment });
  await writeFile(places.network, `${JSON.stringify(network, undefined, 2)}\n`);
  const setting: DaemonSetting = {
    ...{ host, ports, places, network: places.network, localKeys: true, simulatedRoot: root.pem },
    databaseUrl: (name) => database.urlFor(name),
    ...(options.env ? { env: options.env } : {}),
    ...(options.programs ? { programs: options.programs } : {}),
  };
  return { network, setting };
}

/** A chain that ended before it wrote its state leaves records and databases of tasks that no longer exist. */
async function forgetLostChain({ folder, network, chainState }: StatePlaces): Promise<void> {
  if (!existsSync(network) || existsSync(chainState)) return;
  const reset = fileURLToPath(new URL("../reset.mjs", import.meta.url));
  await promisify(execFile)(process.execPath, [reset, folder]);
}

/** Before anything starts, so that a port in use is one line and not a daemon's last words. */
async function requireFreePorts({ ports, host }: LocalNetworkOptions): Promise<void> {
  const { nodes, verifiers, ...single } = ports;
  const wanted: [string, number][] = Object.entries(single);
  nodes.forEach((port, index) => wanted.push([`node-${index + 1}`, port]));
  verifiers.forEach((port, index) => wanted.push([`verifier-${index + 1}`, port]));
  for (const [who, port] of wanted) await requireFreePort(port, `the ${who}`, host);
}
