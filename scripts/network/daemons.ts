import { localAccount, type LocalRole } from "#deploy/localAccounts.ts";
import type { Ports, StatePlaces } from "./places.ts";
import type { ProcessOptions } from "./startProcess.ts";

/**
 * Names of daemons on one machine: `hub`, `facilitator`, `gateway`, `node-1`, `verifier-1`, and so on. `facilitator-2` and
 * `gateway-2` are replicas: with the key and the database of the first, on a port of their own.
 */
export type DaemonName =
  "hub" | `${"facilitator" | "gateway"}${"" | `-${number}`}` | `${"node" | "verifier"}-${number}`;

/** What the daemons of one machine share. */
export interface DaemonSetting {
  host: string;
  ports: Ports;
  places: StatePlaces;
  /** Path or URL of the network's description. */
  network: string;
  /** Connection URL of a daemon's own database. */
  databaseUrl: (database: string) => Promise<string>;
  /** Whether keys are the local chain's public ones; else they stand in the environment already. */
  localKeys: boolean;
  /** PEM of the root that vouches for the nodes of a network on this machine. */
  simulatedRoot?: string;
  /** Settings added to one daemon or another, such as shorter deadlines in a test. */
  env?: Partial<Record<DaemonName, Readonly<Record<string, string>>>>;
  /** Programs that stand in for a role's own, such as a node with another executor. */
  programs?: Partial<Record<DaemonName, string>>;
}

/** How one daemon is started. */
export async function daemonOptions(name: DaemonName, setting: DaemonSetting): Promise<ProcessOptions> {
  const [role = "", ordinal = "1"] = name.split("-");
  const { places, host, network } = setting;
  const port = portOf(role, Number(ordinal), setting.ports);
  const usesDatabase = role === "facilitator" || role === "gateway" || role === "verifier";
  return {
    name,
    program: setting.programs?.[name] ?? `src/${role}/main.ts`,
    logFile: places.log(name),
    env: {
      OPG_NETWORK: network,
      OPG_HOST: host,
      OPG_PORT: String(port),
      OPG_STATE: places.cache(name),
      ...(role === "node" ? { OPG_PUBLIC_URL: `https://${host}:${port}` } : {}),
      ...(role === "node" && setting.simulatedRoot ? { OPG_SIMULATED_ROOT_KEY: setting.simulatedRoot } : {}),
      ...(usesDatabase ? { DATABASE_URL: await setting.databaseUrl(databaseOf(role, ordinal)) } : {}),
      ...(setting.localKeys ? localKeys(role, ordinal) : {}),
      ...setting.env?.[name],
    },
  };
}

/** A replica listens on any free port. */
function portOf(role: string, ordinal: number, { hub, facilitator, gateway, nodes, verifiers }: Ports): number {
  const ports: Record<string, readonly number[]> = {
    hub: [hub],
    facilitator: [facilitator],
    gateway: [gateway],
    node: nodes,
    verifier: verifiers,
  };
  return ports[role]?.[ordinal - 1] ?? 0;
}

/** Each verifier has a database of its own; replicas share theirs. */
function databaseOf(role: string, ordinal: string): string {
  return role === "verifier" ? `verifier_${ordinal}` : role;
}

function localKeys(role: string, ordinal: string): Record<string, string> {
  const keyOf = (account: string): string => localAccount(account as LocalRole).privateKey;
  switch (role) {
    case "facilitator":
      return { OPG_FACILITATOR_KEY: keyOf("facilitator") };
    case "verifier":
      return { OPG_VERIFIER_KEY: keyOf(`verifier${ordinal}`) };
    case "node":
      return { OPG_OPERATOR_KEY: keyOf(`operator${ordinal}`) };
    default:
      return {};
  }
}
