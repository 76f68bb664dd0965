import { randomBytes } from "node:crypto";
import type { Wallet } from "ethers";
import type { Hono } from "hono";
import type { Blobs } from "#blobs/blobs.ts";
import { AccountReaderAdapter } from "#chain/accountReader.ts";
import type { Executor } from "#execution/executor.ts";
import type { VerifierInfo } from "#protocol/messages.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import type { VerifierStore } from "#store/verifierStore.ts";
import { AdmissionDuty } from "./admissionDuty.ts";
import { BatchDuty, type BatchDutyDependencies } from "./batches/batchDuty.ts";
import { HistoryDuty } from "./batches/historyDuty.ts";
import { createVerifierApp, type VerifierDuties } from "./createVerifierApp.ts";
import { Challenges } from "./challenges.ts";
import { ClosingDuty } from "./closingDuty.ts";
import { type VerifierContracts, verifierContracts } from "./contracts.ts";
import { CountsDuty } from "./countsDuty.ts";
import { EndedEpochs } from "./endedEpochs.ts";
import { EpochSets } from "./epochSets.ts";
import { Models } from "./models.ts";
import { RefusalDelivery } from "./refusalDelivery.ts";
import { SealedRequests } from "./sealedRequests.ts";
import { TaskDuty } from "./taskDuty.ts";
import { VerdictDuty } from "./verdictDuty.ts";
import { VerdictSigner } from "./verdictSigner.ts";
import { verifierMetrics } from "./verifierMetrics.ts";
import { WitnessDuty } from "./witnessDuty.ts";

/** What a verifier is made of. */
export interface VerifierDependencies {
  network: Network;
  wallet: Wallet;
  provider: VerifierContracts["provider"];
  blobs: Blobs;
  executor: Executor;
  store: VerifierStore;
  operations: Operations;
  clock: Clock;
  /** Told when there is a new refusal to deliver. */
  onRefusal: () => void;
  logger: Logger;
}

/** A verifier: what it answers to others, and what it does by itself. */
export interface Verifier {
  app: Hono;
  refusals: RefusalDelivery;
  closing: ClosingDuty;
}

const random32Bytes = (): Uint8Array => randomBytes(32);

type BatchParts = Omit<BatchDutyDependencies, "taskEscrow" | "batches" | "readAccounts">;

function batchDuties(
  parts: BatchParts & { network: Network; contracts: VerifierContracts },
): Pick<VerifierDuties, "batches" | "history"> {
  const { network, contracts } = parts;
  const { provider, taskEscrow, batches } = contracts;
  const reader = new AccountReaderAdapter(network.contracts.payerReader, taskEscrow.address, provider);
  const readAccounts: BatchDutyDependencies["readAccounts"] = async (facilitator, payers) => {
    return reader.read(facilitator, payers, await provider.getBlockNumber());
  };
  return {
    batches: new BatchDuty({ ...parts, taskEscrow, batches, readAccounts }),
    history: new HistoryDuty({ ...parts, taskEscrow }),
  };
}

async function infoOf(
  verifier: string,
  verifierSet: VerifierContracts["verifierSet"],
  store: VerifierStore,
): Promise<VerifierInfo> {
  const [epoch, verdictCounts] = await Promise.all([verifierSet.currentEpoch(), store.verdictCounts()]);
  return { verifier, epoch: Number(epoch), ...verdictCounts };
}

/** Puts a verifier's duties together; nothing runs yet. */
export function createVerifier(dependencies: VerifierDependencies): Verifier {
  const { network, wallet, provider, blobs, store, operations, clock, logger } = dependencies;
  const { facilitators, verifiers, parameters } = network;
  const settlement = domainIn(network, "settlement");
  const domains = { taskEscrow: domainIn(network, "taskEscrow"), settlement };
  const roots = parameters.evidenceRoots ?? {};
  const contracts = verifierContracts(network, provider);
  const { verifierSet } = contracts;
  const epochSets = new EpochSets(verifierSet, network.deploymentBlock);
  const metrics = verifierMetrics(operations.registry);
  const known = { settlement, facilitators, verifiers, domains };
  const shared = { ...dependencies, ...known, contracts, epochSets, verifierSet, metrics };

  const signer = new VerdictSigner(shared);
  const endedEpochs = new EndedEpochs(contracts, epochSets);
  const counts = new CountsDuty({ ...shared, endedEpochs });
  const challenges = new Challenges(clock, random32Bytes);
  const app = createVerifierApp({
    verifier: wallet.address,
    sealed: new SealedRequests(wallet, settlement),
    tasks: new TaskDuty({ ...shared, models: new Models(blobs), randomBytes: random32Bytes }),
    verdicts: new VerdictDuty(
      { settlement, settleWindowSeconds: parameters.settleWindowSeconds },
      { ...shared, signer, nodeRegistry: contracts.nodeRegistry },
    ),
    witness: new WitnessDuty(shared),
    ...{ counts, ...batchDuties(shared) },
    admissions: new AdmissionDuty(
      { nodeRegistry: domainIn(network, "nodeRegistry"), roots, verifiers },
      { ...shared, challenges },
    ),
    info: () => infoOf(wallet.address, verifierSet, store),
    operations,
    logger,
  });
  return {
    app,
    refusals: new RefusalDelivery({ ...shared, signer }),
    closing: new ClosingDuty({ ...shared, endedEpochs, counts }),
  };
}
