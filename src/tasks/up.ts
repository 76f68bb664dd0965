import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import { parametersOf } from "#deploy/parameters.ts";
import { readRecord } from "#deploy/records.ts";
import { profileDigest } from "#execution/profile.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import { daemonOptions, type DaemonName } from "#scripts/network/daemons.ts";
import { describeNetwork } from "#scripts/network/describeNetwork.ts";
import { networkFile, stateFolder, statePlaces, usualPorts } from "#scripts/network/places.ts";
import { startDatabase } from "#scripts/network/startDatabase.ts";
import { startProcess } from "#scripts/network/startProcess.ts";
import { loadNetwork } from "#service/loadNetwork.ts";
import { LOCAL_CHAIN_ID } from "./openNetwork.ts";
import { plainTask, print } from "./runTask.ts";

const roles = ["hub", "facilitator", "gateway", "verifier", "node"] as const;
const rolesWithDatabase: readonly string[] = ["facilitator", "gateway", "verifier"];

/** `opg up`: daemons of a deployed network on this machine, until Ctrl-C. */
export default plainTask<{ roles: string; host: string }>(async (options, hre) => {
  const wanted = readRoles(options.roles);
  const location = process.env["OPG_NETWORK"] ?? networkFile(hre.globalOptions.network);
  if (!/^https?:/.test(location) && !existsSync(location)) await describe(hre, location, options.host);
  const network = await loadNetwork(location);
  const places = statePlaces(join(dirname(networkFile(hre.globalOptions.network)), "up"));
  const withDatabase = wanted.filter((role) => rolesWithDatabase.includes(role)).length;
  const database = withDatabase > 0 ? await openDatabase(places, withDatabase) : undefined;
  const setting = {
    ...{
      host: options.host,
      ports: usualPorts,
      places,
      network: location,
      localKeys: isOnThisMachine(network),
    },
    ...(await lentRoot(network)),
    env: Object.fromEntries(wanted.map((role) => [daemonOf(role), ownKeys()])),
    databaseUrl: (name: string) => database?.urlFor(name) ?? Promise.resolve(""),
  };
  const daemons = [];
  try {
    for (const role of wanted) {
      const name = daemonOf(role);
      const daemon = await startProcess(await daemonOptions(name, setting));
      print(`${name} listens at ${daemon.url}, logs to ${places.log(name)}`);
      daemons.push(daemon);
    }
    await interrupted();
  } finally {
    for (const daemon of daemons.reverse()) await daemon.stop();
    await database?.stop();
  }
});

function daemonOf(role: (typeof roles)[number]): DaemonName {
  return role === "node" || role === "verifier" ? `${role}-1` : role;
}

/** Only there are the public keys lent: on another machine they are in use already, with records of what they signed. */
function isOnThisMachine({ chainId, rpcUrl }: Network): boolean {
  return chainId === LOCAL_CHAIN_ID && ["127.0.0.1", "localhost", "[::1]"].includes(new URL(rpcUrl).hostname);
}

/** The root that vouches for nodes of the network that runs on this machine. */
async function lentRoot(network: Network): Promise<{ simulatedRoot?: string }> {
  const file = statePlaces(stateFolder).simulatedRoot;
  return isOnThisMachine(network) && existsSync(file) ? { simulatedRoot: await readFile(file, "utf8") } : {};
}

/** Keys in the environment come before those that a local network would lend. */
function ownKeys(): Record<string, string> {
  const names = ["OPG_FACILITATOR_KEY", "OPG_VERIFIER_KEY", "OPG_OPERATOR_KEY", "OPG_SIMULATED_ROOT_KEY"];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

function readRoles(text: string): (typeof roles)[number][] {
  const wanted = text.split(",").map((role) => role.trim());
  const unknown = wanted.find((role) => !roles.some((known) => known === role));
  if (unknown === undefined) return roles.filter((role) => wanted.includes(role));
  throw new OpgError("configuration", `There is no role "${unknown}"; choose of ${roles.join(", ")}.`);
}

/** A network's first machine describes it; others are handed the file, or its URL in OPG_NETWORK. */
async function describe(hre: HardhatRuntimeEnvironment, file: string, host: string): Promise<void> {
  const connection = await hre.network.create();
  try {
    const chainId = Number(await connection.provider.request({ method: "eth_chainId" }));
    const deployed = readRecord(join(hre.config.paths.root, "deploy"), chainId);
    const { networkName, networkConfig } = connection;
    if (!deployed || networkConfig.type !== "http") {
      throw new OpgError(
        "configuration",
        `Nothing is deployed to "${networkName}" yet; npx hardhat opg deploy --network ${networkName} does it.`,
      );
    }
    const parameters = parametersOf(networkName, simulatedMeasurement(profileDigest));
    const rpcUrl = process.env["OPG_PUBLIC_RPC_URL"];
    if (rpcUrl === undefined) {
      throw new OpgError(
        "configuration",
        "OPG_PUBLIC_RPC_URL is not set; give the chain's public JSON-RPC, which the network's description shows to everyone. A private one goes into OPG_RPC_URL.",
      );
    }
    const network = describeNetwork({ name: networkName, rpcUrl, deployed, parameters, host, ports: usualPorts });
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${JSON.stringify(network, undefined, 2)}\n`);
  } finally {
    await connection.close();
  }
}

/** A server that DATABASE_URL names, or an embedded one. */
async function openDatabase(places: ReturnType<typeof statePlaces>, daemons: number) {
  const url = process.env["DATABASE_URL"];
  if (url !== undefined && daemons > 1) {
    throw new OpgError(
      "configuration",
      "DATABASE_URL names one database, but facilitator, gateway and verifier need one each; start them one by one.",
    );
  }
  if (url !== undefined) return { urlFor: () => Promise.resolve(url), stop: () => Promise.resolve() };
  return startDatabase({ folder: places.database, port: usualPorts.database, logFile: places.log("database") });
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}
