import { verifyContract, type VerifyContractArgs } from "@nomicfoundation/hardhat-verify/verify";
import { getVerificationInformation } from "@nomicfoundation/ignition-core";
import { getCreateAddress } from "ethers";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { PERMIT2 } from "#protocol/payment.ts";
import type { NetworkParameters } from "./parameters.ts";
import { type DeploymentRecord, journalFolder, publicRecordsFolder } from "./records.ts";

const explorers = ["etherscan", "blockscout", "sourcify"] as const;

/** What an explorer said about one contract. */
export interface Verification {
  /** Source and name, `contracts/money/OPG.sol:OPG`. */
  contract: string;
  address: string;
  explorer: (typeof explorers)[number];
  /** Why it was not verified; absent where it was. */
  problem?: string;
}

/** The network to verify. */
export interface VerificationTarget {
  deployed: DeploymentRecord;
  parameters: NetworkParameters;
  /** As for `deployNetwork`; `deploy/` where left out. */
  recordsFolder?: string;
}

/**
 * Shows the sources of a deployed network to every explorer that hardhat.config.ts enables. To be called with Hardhat's
 * `--network` set to the network's chain, which must be a public one.
 *
 * @param verify - hardhat-verify's, unless a test listens
 */
export async function verifyNetwork(
  hre: HardhatRuntimeEnvironment,
  { deployed, parameters, recordsFolder = publicRecordsFolder(hre) }: VerificationTarget,
  verify: typeof verifyContract = verifyContract,
): Promise<Verification[]> {
  const enabled = explorers.filter((explorer) => hre.config.verify[explorer].enabled);
  const verifications: Verification[] = [];
  for (const contract of await contractsOf(deployed, recordsFolder, parameters)) {
    for (const provider of enabled) {
      const problem = await verify({ ...contract, provider }, hre).then(() => undefined, messageOf);
      const said = { contract: contract.contract, address: contract.address, explorer: provider };
      verifications.push(problem === undefined ? said : { ...said, problem });
    }
  }
  return verifications;
}

type Contract = VerifyContractArgs & { contract: string };

async function contractsOf(
  { chainId, contracts }: DeploymentRecord,
  recordsFolder: string,
  { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds }: NetworkParameters,
): Promise<Contract[]> {
  // Settlement deploys TaskEscrow, so the journal has no constructor arguments of it.
  const taskEscrow: Contract = {
    contract: "contracts/money/TaskEscrow.sol:TaskEscrow",
    address: contracts.taskEscrow,
    constructorArgs: [
      contracts.opg,
      PERMIT2,
      contracts.accessManager,
      maxTaskSeconds,
      settleWindowSeconds,
      withdrawDelaySeconds,
    ],
  };
  // TaskEscrow's own first creation; every facilitator's entry is a clone of it.
  const entry: Contract = {
    contract: "contracts/money/FacilitatorEntry.sol:FacilitatorEntry",
    address: getCreateAddress({ from: contracts.taskEscrow, nonce: 1 }),
    constructorArgs: [],
  };
  const found: Contract[] = [taskEscrow, entry];
  for await (const information of getVerificationInformation(journalFolder(recordsFolder, chainId))) {
    if (typeof information !== "string") found.push(information);
  }
  return found;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
