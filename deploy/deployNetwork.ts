import {
  errorDeploymentResultToExceptionMessage,
  HardhatArtifactResolver,
} from "@nomicfoundation/hardhat-ignition/helpers";
import { deploy, DeploymentResultType } from "@nomicfoundation/ignition-core";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { NetworkConnection } from "hardhat/types/network";
import { OpgError } from "#protocol/errors.ts";
import { checkParameters } from "./checkParameters.ts";
import { type ConnectedContracts, connectContracts } from "./connectContracts.ts";
import { networkModule } from "./networkModule.ts";
import type { NetworkParameters } from "./parameters.ts";
import { deployPermit2, requirePermit2 } from "./permit2.ts";
import {
  blockOfFirstTransaction,
  type DeploymentRecord,
  journalFolder,
  type NetworkAddresses,
  publicRecordsFolder,
  requireSameChain,
  writeRecord,
} from "./records.ts";
import { placeProxies, requireProxies } from "./x402Proxies.ts";

/** Chain id of chains on the own machine; every other chain is public. */
const LOCAL_CHAIN_ID = 31_337;

/** Blocks of a local chain are final at once; those of a public one get time. */
const localPace = { requiredConfirmations: 1, blockPollingInterval: 50, disableFeeBumping: true };
const publicPace = { requiredConfirmations: 5, blockPollingInterval: 1_000 };

/** Where to deploy to. */
export interface DeployTarget {
  hre: HardhatRuntimeEnvironment;
  connection: NetworkConnection;
  /**
   * Keeps `journal/`, which makes a second run change nothing, and `addresses/`. Where left out, the folder `deploy/`
   * for a public chain and none for a local one.
   */
  recordsFolder?: string;
}

/** A network that stands. */
export interface DeployedNetwork extends DeploymentRecord {
  /** The contracts, typed, sending as the deployer. */
  connected: ConnectedContracts;
}

/**
 * Deploys a network, or finds it where it was deployed before: the same addresses, no transaction.
 *
 * @throws OpgError `configuration` when parameters or records contradict each other or the chain, `internal` when the
 * chain refuses a transaction
 */
export async function deployNetwork(target: DeployTarget, parameters: NetworkParameters): Promise<DeployedNetwork> {
  checkParameters(parameters);
  const { hre, connection } = target;
  const { provider } = connection;
  const chainId = Number(await provider.request({ method: "eth_chainId" }));
  const isLocal = chainId === LOCAL_CHAIN_ID;
  const recordsFolder = target.recordsFolder ?? (isLocal ? undefined : publicRecordsFolder(hre));
  const journal = recordsFolder === undefined ? undefined : journalFolder(recordsFolder, chainId);
  if (journal !== undefined) await requireSameChain(provider, journal);

  const nextBlock = Number(await provider.request({ method: "eth_blockNumber" })) + 1;
  if (isLocal) await bringForeignContracts(target);
  else await requireForeignContracts(target);
  const artifacts = new HardhatArtifactResolver(hre.artifacts);
  const contracts = await runModule(target, parameters, { artifacts, journal, isLocal });
  const deploymentBlock =
    journal === undefined ? nextBlock : await blockOfFirstTransaction(provider, journal, artifacts);

  const connected = await connectContracts(target, contracts);
  const facilitators = await entriesOf(connected, parameters);
  const record = { chainId, deploymentBlock, contracts, facilitators };
  if (recordsFolder !== undefined) writeRecord(recordsFolder, record);
  return { ...record, connected };
}

/** What stands on every public chain, a local one must be given. */
async function bringForeignContracts({ hre, connection: { provider } }: DeployTarget): Promise<void> {
  await deployPermit2(provider, (await hre.artifacts.readArtifact("Permit2")).bytecode);
  const exact = await hre.artifacts.readArtifact("X402ExactPermit2Proxy");
  const upto = await hre.artifacts.readArtifact("X402UptoPermit2Proxy");
  await placeProxies(provider, { exact: exact.deployedBytecode, upto: upto.deployedBytecode });
}

async function requireForeignContracts({ connection: { provider } }: DeployTarget): Promise<void> {
  await requirePermit2(provider);
  await requireProxies(provider);
}

async function entriesOf(
  { taskEscrow }: ConnectedContracts,
  { facilitators }: NetworkParameters,
): Promise<DeploymentRecord["facilitators"]> {
  return Promise.all(facilitators.map(async (address) => ({ address, entry: await taskEscrow.entryOf(address) })));
}

async function runModule(
  { connection: { provider } }: DeployTarget,
  parameters: NetworkParameters,
  run: { artifacts: HardhatArtifactResolver; journal: string | undefined; isLocal: boolean },
): Promise<NetworkAddresses> {
  const module = networkModule(parameters);
  const result = await deploy({
    config: run.isLocal ? localPace : publicPace,
    provider,
    artifactResolver: run.artifacts,
    ...(run.journal === undefined ? {} : { deploymentDir: run.journal }),
    ignitionModule: module,
    deploymentParameters: {},
    accounts: (await provider.request({ method: "eth_accounts" })) as string[],
  });
  if (result.type === DeploymentResultType.RECONCILIATION_ERROR) {
    const differing = Object.keys(result.errors).join(", ");
    throw new OpgError(
      "configuration",
      `The network stands already with other parameters (${differing}); deploy with the same, or keep the records of the new one elsewhere.`,
      { differing },
    );
  }
  if (result.type !== DeploymentResultType.SUCCESSFUL_DEPLOYMENT) {
    throw new OpgError(
      "internal",
      `The deployment did not complete: ${errorDeploymentResultToExceptionMessage(result)}`,
    );
  }
  return addressesOf((name) => {
    const deployed = result.contracts[module.results[name].id];
    if (!deployed) throw new OpgError("internal", `The deployment has no ${name}.`);
    return deployed.address;
  });
}

function addressesOf(addressOf: (name: keyof NetworkAddresses) => string): NetworkAddresses {
  return {
    opg: addressOf("opg"),
    verifierSet: addressOf("verifierSet"),
    taskEscrow: addressOf("taskEscrow"),
    settlement: addressOf("settlement"),
    nodeRegistry: addressOf("nodeRegistry"),
    modelRegistry: addressOf("modelRegistry"),
    accessManager: addressOf("accessManager"),
    timelock: addressOf("timelock"),
    payerReader: addressOf("payerReader"),
  };
}
