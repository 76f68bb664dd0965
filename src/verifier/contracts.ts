import type { Provider } from "ethers";
import type { Caller } from "#chain/callAt.ts";
import { BatchesAdapter } from "#chain/batches.ts";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import type { Network } from "#protocol/network.ts";

/** The contracts that a verifier reads, on one chain. */
export interface VerifierContracts {
  provider: Provider & Caller;
  taskEscrow: TaskEscrowAdapter;
  settlement: SettlementAdapter;
  batches: BatchesAdapter;
  verifierSet: VerifierSetAdapter;
  nodeRegistry: NodeRegistryAdapter;
  modelRegistry: ModelRegistryAdapter;
}

/** Adapters for a network's contracts. */
export function verifierContracts(
  { contracts, deploymentBlock }: Network,
  provider: VerifierContracts["provider"],
): VerifierContracts {
  return {
    provider,
    taskEscrow: new TaskEscrowAdapter(contracts.taskEscrow, provider),
    settlement: new SettlementAdapter(contracts.settlement, provider),
    batches: new BatchesAdapter(contracts.settlement, provider),
    verifierSet: new VerifierSetAdapter(contracts.verifierSet, provider),
    nodeRegistry: new NodeRegistryAdapter(contracts.nodeRegistry, provider, deploymentBlock),
    modelRegistry: new ModelRegistryAdapter(contracts.modelRegistry, provider, deploymentBlock),
  };
}
