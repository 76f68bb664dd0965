import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { id, parseEther, toBeHex, Wallet } from "ethers";
import { Pool } from "pg";
import type { Network } from "#protocol/network.ts";
import { type DaemonName, daemonOptions, type DaemonSetting } from "#scripts/network/daemons.ts";
import { deployLocally } from "#scripts/network/deployLocally.ts";
import { describeNetwork } from "#scripts/network/describeNetwork.ts";
import { LOCAL_CHAIN_ID } from "#scripts/network/localNetwork.ts";
import { freePorts, type StatePlaces, statePlaces } from "#scripts/network/places.ts";
import { startChain } from "#scripts/network/startChain.ts";
import { startDatabase } from "#scripts/network/startDatabase.ts";
import type { ProcessOptions } from "#scripts/network/startProcess.ts";
import { BlockMaker } from "./blockMaker.ts";
import { type FaultyChain, faultyChain } from "./faultyChain.ts";
import { type FaultyDatabase, faultyDatabase } from "./faultyDatabase.ts";
import { rpc } from "./rpc.ts";
import { Supervisor } from "./supervisor.ts";

const BLOCK_SECONDS = 0.25;
const ENDPOINTS = 3;
/** Send beside the facilitator's own account. */
const signers = [new Wallet(id("chaos signer 1")), new Wallet(id("chaos signer 2"))];
/** What nobody answers is refunded soon. */
const parameters = { settleWindowSeconds: 5 };
const TASK_SECONDS = 20;

/** Processes on one machine whose ways to each other can be broken. */
export interface ChaosProcesses {
  network: Network;
  places: StatePlaces;
  daemons: Supervisor;
  /** The chain itself, past every proxy. */
  chainUrl: string;
  blocks: BlockMaker;
  /** What the daemons know of the chain, all of them the same endpoints. */
  endpoints: readonly FaultyChain[];
  /** The facilitators' database, past the proxy. */
  books: Pool;
  database: FaultyDatabase;
  /** @param seconds - how far the daemon's clock is off from now on */
  shiftClock(name: DaemonName, seconds: number): Promise<void>;
  stop(): Promise<void>;
}

type Ending = () => Promise<void> | void;

/** Brings up chain, database and contracts in a folder, and starts no daemon yet. */
export async function startChaosProcesses(folder: string): Promise<ChaosProcesses> {
  const places = statePlaces(folder);
  await mkdir(folder, { recursive: true });
  const endings: Ending[] = [];
  const stop = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end();
  };
  try {
    const { setting, ...base } = await bringUp(places, endings);
    const daemons = new Supervisor((name) => faultyOptions(name, setting, base.endpoints));
    endings.push(() => daemons.stop());
    const shiftClock = (name: DaemonName, seconds: number): Promise<void> =>
      writeFile(clockFile(places, name), String(seconds));
    return { ...base, places, daemons, shiftClock, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function bringUp(places: StatePlaces, endings: Ending[]) {
  const ports = await freePorts(1);
  const host = "127.0.0.1";
  const chain = await startChain({
    ...{ host, port: ports.chain, stateFolder: places.chain, blockTimeSeconds: BLOCK_SECONDS },
    ...{ chainId: LOCAL_CHAIN_ID, logFile: places.log("chain") },
  });
  endings.push(() => chain.process.kill());
  const databaseOptions = { folder: places.database, port: ports.database, logFile: places.log("database") };
  const server = await startDatabase(databaseOptions);
  endings.push(() => server.stop());
  const database = await faultyDatabase(ports.database);
  endings.push(() => database.close());
  const endpoints = await Promise.all(Array.from({ length: ENDPOINTS }, () => faultyChain(chain.url)));
  endings.push(() => endpoints.forEach((endpoint) => endpoint.close()));

  const deployment = await deployLocally(chain.url, places.folder, parameters);
  const network = describeNetwork({ name: "chaos", rpcUrl: chain.url, host, ports, ...deployment });
  await writeFile(places.network, JSON.stringify(network));
  for (const { address } of signers) await rpc(chain.url, "anvil_setBalance", [address, toBeHex(parseEther("100"))]);
  const sending = { OPG_SIGNER_KEYS: signers.map(({ privateKey }) => privateKey).join(",") };
  const setting: DaemonSetting = {
    ...{ host, ports, places, network: places.network, localKeys: true },
    env: { gateway: { OPG_TASK_SECONDS: String(TASK_SECONDS) }, facilitator: sending, "facilitator-2": sending },
    databaseUrl: async (name) => (await server.urlFor(name)).replace(`:${ports.database}/`, `:${database.port}/`),
  };
  const books = new Pool({ connectionString: await server.urlFor("facilitator"), application_name: "chaos", max: 2 });
  // When the server ends, nobody needs them any more.
  books.on("error", () => undefined);
  endings.push(() => books.end());
  const blocks = await BlockMaker.start(chain.url, BLOCK_SECONDS);
  endings.push(() => blocks.stop());
  return { network, setting, endpoints, database, books, blocks, chainUrl: chain.url };
}

/** A daemon that suffers from faults: it meets chain and database by way of the proxies, and its clock can be shifted. */
async function faultyOptions(
  name: DaemonName,
  setting: DaemonSetting,
  endpoints: readonly FaultyChain[],
): Promise<ProcessOptions> {
  const own = await daemonOptions(name, setting);
  const preload = pathToFileURL(join(import.meta.dirname, "shiftedClock.ts")).href;
  const faulty = {
    OPG_RPC_URL: endpoints.map(({ url }) => url).join(","),
    NODE_OPTIONS: `${process.env["NODE_OPTIONS"] ?? ""} --import ${preload}`.trim(),
    CHAOS_CLOCK_FILE: clockFile(setting.places, name),
  };
  return { ...own, env: { ...own.env, ...faulty } };
}

const clockFile = ({ folder }: StatePlaces, name: DaemonName): string => join(folder, `clock-${name}`);
