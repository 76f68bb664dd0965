import { type BaseWallet, Wallet } from "ethers";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { AccountsAdapter } from "#chain/accounts.ts";
import { BatchesAdapter } from "#chain/batches.ts";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { OpgAdapter } from "#chain/opg.ts";
import { connectChain } from "#chain/provider.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { OpgError } from "#protocol/errors.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { networkFile } from "#scripts/network/places.ts";
import { readConfig, rpcUrls } from "#service/config.ts";
import { loadNetwork } from "#service/loadNetwork.ts";

/** Chain id of development chains, whose accounts everybody knows. */
export const LOCAL_CHAIN_ID = 31_337;

/** A network as the tasks use it. */
export type OpenNetwork = Awaited<ReturnType<typeof openNetwork>>;

/** What `--network` names, if anything. */
export function chosenNetwork(hre: HardhatRuntimeEnvironment): string | undefined {
  return hre.globalOptions.network;
}

/** The network that `--network` names, or the running local one. @throws OpgError `configuration`, `chain_unavailable` */
export async function openNetwork(hre: HardhatRuntimeEnvironment) {
  const network = await loadNetwork(process.env["OPG_NETWORK"] ?? networkFile(hre.globalOptions.network));
  const { OPG_RPC_URL: own } = readConfig({ OPG_RPC_URL: rpcUrls.optional() }, process.env);
  const provider = await connectChain(own ?? network.rpcUrl, network.chainId);
  const { opg, taskEscrow, settlement, nodeRegistry, modelRegistry, verifierSet } = network.contracts;
  return {
    network,
    provider,
    opg: new OpgAdapter(opg, provider),
    taskEscrow: new TaskEscrowAdapter(taskEscrow, provider),
    settlement: new SettlementAdapter(settlement, provider),
    accounts: new AccountsAdapter(taskEscrow, provider),
    batches: new BatchesAdapter(settlement, provider),
    nodeRegistry: new NodeRegistryAdapter(nodeRegistry, provider, network.deploymentBlock),
    modelRegistry: new ModelRegistryAdapter(modelRegistry, provider, network.deploymentBlock),
    verifierSet: new VerifierSetAdapter(verifierSet, provider),
  };
}

/** The person's own wallet: OPG_KEY, or a development account on a local chain. @throws OpgError `configuration` */
export function ownWallet(
  { network, provider }: Pick<OpenNetwork, "network" | "provider">,
  local = localAccount("payer"),
): BaseWallet {
  const key = process.env["OPG_KEY"];
  if (key === undefined && network.chainId === LOCAL_CHAIN_ID) return local.connect(provider);
  if (key === undefined || !/^0x[0-9a-fA-F]{64}$/.test(key)) {
    const problem = key === undefined ? "is not set" : "is not a private key";
    throw new OpgError(
      "configuration",
      `OPG_KEY ${problem}; set it to your account's private key, 0x and 64 hex digits.`,
      { variable: "OPG_KEY" },
    );
  }
  return new Wallet(key, provider);
}
