import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ArtifactResolver, listTransactions } from "@nomicfoundation/ignition-core";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { EthereumProvider } from "hardhat/types/providers";
import { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import { type Network, networkJson } from "#protocol/network.ts";

/** Addresses of a network's contracts, as `network.json` names them. */
export type NetworkAddresses = Network["contracts"];

const deploymentRecordJson = z.strictObject({
  chainId: z.int().min(1),
  /** The first block that can hold an event of the network. */
  deploymentBlock: z.int().min(0),
  contracts: networkJson.shape.contracts,
  /** The facilitators that the network began with, and their entries at TaskEscrow. */
  facilitators: z.array(networkJson.shape.facilitators.element.pick({ address: true, entry: true })),
});

/** What stands in `addresses/<chainId>.json`. */
export type DeploymentRecord = z.output<typeof deploymentRecordJson>;

/** Where deployments to public chains are recorded, in the tree. */
export function publicRecordsFolder(hre: HardhatRuntimeEnvironment): string {
  return join(hre.config.paths.root, "deploy");
}

/** Folder of the journal that makes a second run change nothing. */
export function journalFolder(recordsFolder: string, chainId: number): string {
  return join(recordsFolder, "journal", String(chainId));
}

/** Writes `addresses/<chainId>.json` below the folder. */
export function writeRecord(recordsFolder: string, record: DeploymentRecord): void {
  const folder = join(recordsFolder, "addresses");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${record.chainId}.json`), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** What was deployed to a chain, or nothing where no record says so. */
export function readRecord(recordsFolder: string, chainId: number): DeploymentRecord | undefined {
  const file = join(recordsFolder, "addresses", `${chainId}.json`);
  return existsSync(file) ? deploymentRecordJson.parse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
}

/**
 * A local chain can be started anew under the same id; a journal of the old one must not be believed.
 *
 * @throws OpgError `configuration`
 */
export async function requireSameChain(provider: EthereumProvider, journal: string): Promise<void> {
  const file = join(journal, "deployed_addresses.json");
  if (!existsSync(file)) return;
  const [address] = Object.values(z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(file, "utf8"))));
  if (address === undefined) return;
  if ((await provider.request({ method: "eth_getCode", params: [address, "latest"] })) !== "0x") return;
  throw new OpgError(
    "configuration",
    `The records in ${journal} are of a chain that is gone; remove that folder and deploy again.`,
    { journal, address },
  );
}

/** The block that the deployment began in. */
export async function blockOfFirstTransaction(
  provider: EthereumProvider,
  journal: string,
  artifacts: ArtifactResolver,
): Promise<number> {
  const [first] = await listTransactions(journal, artifacts);
  const method = "eth_getTransactionReceipt";
  const receipt = z
    .object({ blockNumber: z.string() })
    .parse(await provider.request({ method, params: [first?.txHash] }));
  return Number(receipt.blockNumber);
}
