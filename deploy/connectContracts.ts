import { Contract } from "ethers";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { NetworkConnection } from "hardhat/types/network";
import {
  type ModelRegistry,
  ModelRegistry__factory,
  type NodeRegistry,
  NodeRegistry__factory,
  type OPG,
  OPG__factory,
  type Settlement,
  Settlement__factory,
  type TaskEscrow,
  TaskEscrow__factory,
  type VerifierSet,
  VerifierSet__factory,
} from "#typechain/index.ts";
import type { NetworkAddresses } from "./records.ts";

/** A network's contracts, typed; OpenZeppelin's two as ethers knows them. */
export interface ConnectedContracts {
  opg: OPG;
  verifierSet: VerifierSet;
  taskEscrow: TaskEscrow;
  settlement: Settlement;
  nodeRegistry: NodeRegistry;
  modelRegistry: ModelRegistry;
  accessManager: Contract;
  timelock: Contract;
}

/** Connects to a deployed network's contracts as the connection's first account. */
export async function connectContracts(
  { hre, connection }: { hre: HardhatRuntimeEnvironment; connection: NetworkConnection },
  addresses: NetworkAddresses,
): Promise<ConnectedContracts> {
  const [deployer] = await connection.ethers.getSigners();
  const [accessManager, timelock] = await Promise.all([
    hre.artifacts.readArtifact("AccessManager"),
    hre.artifacts.readArtifact("TimelockController"),
  ]);
  return {
    opg: OPG__factory.connect(addresses.opg, deployer),
    verifierSet: VerifierSet__factory.connect(addresses.verifierSet, deployer),
    taskEscrow: TaskEscrow__factory.connect(addresses.taskEscrow, deployer),
    settlement: Settlement__factory.connect(addresses.settlement, deployer),
    nodeRegistry: NodeRegistry__factory.connect(addresses.nodeRegistry, deployer),
    modelRegistry: ModelRegistry__factory.connect(addresses.modelRegistry, deployer),
    accessManager: new Contract(addresses.accessManager, accessManager.abi, deployer),
    timelock: new Contract(addresses.timelock, timelock.abi, deployer),
  };
}
