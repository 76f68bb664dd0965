import { getAddress, isAddress } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import { checkParameters } from "./checkParameters.ts";
import { localAccount } from "./localAccounts.ts";

/** A measurement that nodes may run under from the start; seconds since 1970, `until` excluded. */
export interface ApprovedMeasurement {
  measurement: string;
  from: number;
  until: number;
}

/** Everything that a network is deployed with. */
export interface NetworkParameters {
  /** The first verifier set, in any order. */
  verifiers: readonly string[];
  /** Verdicts that make a certificate: above half of the set. */
  threshold: number;
  /** How long certificates of the previous set are still accepted. */
  graceSeconds: number;
  /** How long an announced set waits before it can be installed without a handover. */
  installDelaySeconds: number;
  /** How far ahead a task's deadline may lie. */
  maxTaskSeconds: number;
  /** How long after its deadline a task can still be settled. */
  settleWindowSeconds: number;
  /** How long a withdrawal from a prefunded account waits, and how long a replaced authorizer of one still counts. */
  withdrawDelaySeconds: number;
  /** How long after its end an epoch's pool waits for a certificate of counts. */
  closeSeconds: number;
  /** The longest lease of a node. */
  maxLeaseSeconds: number;
  /** Shares of a charge in basis points; the node has the rest. */
  verifierBps: number;
  treasuryBps: number;
  /** How long every act of governance waits in public. */
  timelockDelaySeconds: number;
  proposers: readonly string[];
  /** Who may carry out what has waited; the zero address means anyone. */
  executors: readonly string[];
  treasury: string;
  /** Gets the whole supply of OPG. */
  initialHolder: string;
  facilitators: readonly string[];
  measurements: readonly ApprovedMeasurement[];
  /** Roots under which nodes' evidence counts, by its kind. */
  evidenceRoots?: NonNullable<Network["parameters"]["evidenceRoots"]>;
}

/** uint40's greatest value: a window without end. */
const NEVER = 2 ** 40 - 1;

const MINUTE = 60;
const DAY = 86_400;

/** Approves a measurement without end. */
const forever = (measurement: string): ApprovedMeasurement => ({ measurement, from: 0, until: NEVER });
const fees = { verifierBps: 1_000, treasuryBps: 500 };

/** AWS's root of all Nitro Enclaves, G1: https://aws-nitro-enclaves.amazonaws.com/AWS_NitroEnclaves_Root-G1.zip */
const AWS_ROOT = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";

/** A chain on the own machine, with accounts whose keys everyone knows; the root of its nodes' evidence is made there. */
function localParameters(simulatedMeasurement: string): NetworkParameters {
  const verifiers = [localAccount("verifier1"), localAccount("verifier2"), localAccount("verifier3")];
  const governor = localAccount("governor").address;
  return {
    verifiers: verifiers.map(({ address }) => address),
    threshold: 2,
    graceSeconds: 15 * MINUTE,
    installDelaySeconds: 20 * MINUTE,
    maxTaskSeconds: 10 * MINUTE,
    settleWindowSeconds: MINUTE,
    withdrawDelaySeconds: 16 * MINUTE,
    closeSeconds: 30 * MINUTE,
    maxLeaseSeconds: 120 * MINUTE,
    ...fees,
    timelockDelaySeconds: MINUTE,
    proposers: [governor],
    executors: [governor],
    treasury: localAccount("treasury").address,
    initialHolder: localAccount("faucet").address,
    facilitators: [localAccount("facilitator").address],
    measurements: [forever(simulatedMeasurement)],
  };
}

/** Base's test chain, with whoever the environment names. */
function baseSepoliaParameters(simulatedMeasurement: string, environment: Environment): NetworkParameters {
  const [treasury] = readAddresses(environment, "OPG_TREASURY", 1);
  const [initialHolder] = readAddresses(environment, "OPG_INITIAL_HOLDER", 1);
  const simulatedRoot = readFingerprint(environment, "OPG_SIMULATED_ROOT");
  const governors = readAddresses(environment, "OPG_GOVERNORS");
  const verifiers = readAddresses(environment, "OPG_VERIFIERS");
  return {
    verifiers,
    threshold: Math.floor((2 * verifiers.length) / 3) + 1,
    graceSeconds: 2 * DAY,
    installDelaySeconds: 7 * DAY,
    maxTaskSeconds: 60 * MINUTE,
    settleWindowSeconds: 30 * MINUTE,
    // A day, and what a sequencer that censors can hold a transaction up.
    withdrawDelaySeconds: 1.5 * DAY,
    closeSeconds: 14 * DAY,
    maxLeaseSeconds: 7 * DAY,
    ...fees,
    timelockDelaySeconds: 2 * DAY,
    proposers: governors,
    executors: governors,
    treasury: treasury as string,
    initialHolder: initialHolder as string,
    facilitators: readAddresses(environment, "OPG_FACILITATORS"),
    measurements: simulatedRoot === undefined ? [] : [forever(simulatedMeasurement)],
    evidenceRoots: { nitro: [AWS_ROOT], ...(simulatedRoot === undefined ? {} : { simulated: [simulatedRoot] }) },
  };
}

/** Variables by name; nothing secret is read from them here. */
export type Environment = Readonly<Record<string, string | undefined>>;

const networks = { default: localParameters, local: localParameters, baseSepolia: baseSepoliaParameters };

/**
 * Parameters of one of Hardhat's configured networks.
 *
 * @param simulatedMeasurement - what simulated platforms state of our code; approved where the network names a root for them
 * @throws OpgError `configuration` naming the variable that is missing or wrong, or the relation that does not hold
 */
export function parametersOf(
  networkName: string,
  simulatedMeasurement: string,
  environment: Environment = process.env,
): NetworkParameters {
  if (!Object.hasOwn(networks, networkName)) {
    const known = Object.keys(networks).join(", ");
    throw new OpgError(
      "configuration",
      `There are no parameters for the network "${networkName}", only for ${known}; add it to deploy/parameters.ts.`,
      { networkName },
    );
  }
  const parameters = networks[networkName as keyof typeof networks](simulatedMeasurement, environment);
  checkParameters(parameters);
  return parameters;
}

function readAddresses(environment: Environment, variable: string, count?: number): string[] {
  const addresses = (environment[variable] ?? "")
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  const wanted = count === 1 ? "an address" : "addresses, separated by commas";
  if (addresses.length === 0) {
    throw new OpgError("configuration", `${variable} is not set; give it ${wanted}.`, { variable });
  }
  if (!addresses.every((text) => isAddress(text)) || (count !== undefined && addresses.length !== count)) {
    throw new OpgError("configuration", `${variable} is not what it should be; give it ${wanted}.`, { variable });
  }
  return addresses.map((text) => getAddress(text));
}

/** SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` and others write it. */
function readFingerprint(environment: Environment, variable: string): string | undefined {
  const text = environment[variable];
  if (text === undefined || text === "") return undefined;
  const digits = text.replaceAll(":", "").replace(/^0x/, "").toLowerCase();
  if (/^[0-9a-f]{64}$/.test(digits)) return digits;
  const message = `${variable} is not what it should be; give it the SHA-256 of the root's certificate.`;
  throw new OpgError("configuration", message, { variable });
}
