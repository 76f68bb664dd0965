import { activeNodes } from "#chain/activeNodes.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { oncePerBlock } from "#chain/oncePerBlock.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { OpgError } from "#protocol/errors.ts";
import { caip2, domainIn, type Network } from "#protocol/network.ts";
import { readConfig } from "#service/config.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { repeat, type Repeated } from "#service/repeat.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { createFacilitatorApp } from "./app.ts";
import { createBatchDuty } from "./batches/createBatchDuty.ts";
import { authorizeSigners } from "./authorizeSigners.ts";
import type { PaymentTerms } from "./checks/payment.ts";
import type { ActingDependencies } from "./dependencies.ts";
import { finishTasks } from "./finishTasks.ts";
import { forgetEnded } from "./forgetEnded.ts";
import { finishPayments } from "./merchant/finishPayments.ts";
import { PaymentSettler } from "./merchant/paymentSettler.ts";
import { type FacilitatorOptions, type Foundations, layFoundations } from "./layFoundations.ts";
import { Outbox } from "./outbox.ts";
import { addSignersMetrics, createOutboxCounters } from "./outboxMetrics.ts";
import { TaskCloser } from "./taskCloser.ts";
import { TaskOpener } from "./taskOpener.ts";
import { callDigests } from "./prefunded/callDigests.ts";
import { endOverdue } from "./prefunded/endOverdue.ts";
import { releaseSigner } from "./prefunded/releaseSigner.ts";
import { rememberedSet } from "./prefunded/rememberedSet.ts";
import { type FacilitatorConfig, facilitatorVariables } from "./variables.ts";

/** How often a new block is looked for. */
const FOLLOW_EVERY_SECONDS = 0.25;
const FINISH_EVERY_SECONDS = 2;
const BATCH_EVERY_SECONDS = 1;
const FORGET_EVERY_SECONDS = 600;
const AUTHORIZE_EVERY_SECONDS = 10;

/**
 * Starts a facilitator: takes up what an earlier process left, then listens.
 *
 * @throws OpgError `configuration` or `chain_unavailable`
 */
export async function startFacilitator(
  environment: Readonly<Record<string, string | undefined>>,
  options: FacilitatorOptions = {},
): Promise<Daemon> {
  const config = readConfig(facilitatorVariables, environment);
  const logger = createLogger("facilitator", config.OPG_LOG_LEVEL);
  const foundations = await layFoundations(config, logger, options);
  const { operations, store, provider } = foundations;
  const dependencies = connect(foundations, config.OPG_EXPOSURE_CAP);

  await dependencies.outbox.start();
  const duties = startDuties(dependencies, config.OPG_RETENTION_SECONDS);
  const batches = startBatches(dependencies, config);
  const server = await startHttpServer(createFacilitatorApp(dependencies), {
    host: config.OPG_HOST,
    port: config.OPG_PORT,
  });
  return {
    url: server.url,
    logger,
    stop: async () => {
      operations.readiness.drain();
      await server.close(config.OPG_DRAIN_SECONDS);
      dependencies.outbox.stop();
      await Promise.all([batches.stop(), ...duties.map((duty) => duty.stop())]);
      await store.close();
      provider.destroy();
    },
  };
}

/** An operator demands a batch by the signal SIGUSR2. */
function startBatches(dependencies: ActingDependencies, config: FacilitatorConfig): Pick<Repeated, "stop"> {
  const terms = { receipts: config.OPG_BATCH_RECEIPTS, ageSeconds: config.OPG_BATCH_AGE_SECONDS };
  const stopping = new AbortController();
  const duty = createBatchDuty(terms, dependencies, stopping.signal);
  const settling = repeat("settle batches", BATCH_EVERY_SECONDS, () => duty.advance(), dependencies.logger);
  const demand = (): void => {
    duty.demand();
    settling.now();
  };
  process.on("SIGUSR2", demand);
  return {
    stop: async () => {
      process.off("SIGUSR2", demand);
      stopping.abort();
      await settling.stop();
    },
  };
}

function startDuties(dependencies: ActingDependencies, retentionSeconds: number): Repeated[] {
  const { logger, payers, accounts, head } = dependencies;
  const followPayers = async (): Promise<void> => {
    await Promise.all([payers.advance(), accounts.advance()]);
  };
  const forget = () => forgetEnded(dependencies, retentionSeconds);
  return [
    repeat("follow blocks", FOLLOW_EVERY_SECONDS, () => head.advance(), logger),
    repeat("follow payers", FOLLOW_EVERY_SECONDS, followPayers, logger),
    repeat("finish tasks", FINISH_EVERY_SECONDS, () => finishTasks(dependencies), logger),
    repeat("end overdue calls", FINISH_EVERY_SECONDS, () => endOverdue(dependencies), logger),
    repeat("finish payments", FINISH_EVERY_SECONDS, () => finishPayments(dependencies), logger),
    repeat("authorize signers", AUTHORIZE_EVERY_SECONDS, () => authorizeSigners(dependencies), logger),
    repeat("forget what ended", FORGET_EVERY_SECONDS, forget, logger),
  ];
}

function connect(foundations: Foundations, exposureCap: bigint): ActingDependencies {
  const { network, provider, head, escrow, wallet, operations } = foundations;
  const terms: PaymentTerms = {
    chainId: BigInt(network.chainId),
    network: caip2(network),
    taskEscrow: network.contracts.taskEscrow,
    token: network.contracts.opg,
    facilitator: wallet.address,
    entry: entryIn(network, wallet.address),
    maxTaskSeconds: network.parameters.maxTaskSeconds,
    settleWindowSeconds: network.parameters.settleWindowSeconds,
    withdrawDelaySeconds: network.parameters.withdrawDelaySeconds,
    exposureCap,
  };
  const counters = createOutboxCounters(operations.registry);
  const outbox = new Outbox({ ...foundations, chainId: terms.chainId, counters });
  addSignersMetrics(operations.registry, outbox.signers);
  const verifierSet = new VerifierSetAdapter(network.contracts.verifierSet, provider);
  const { nodeRegistry: registryAddress } = network.contracts;
  const nodeRegistry = new NodeRegistryAdapter(registryAddress, provider, network.deploymentBlock);
  const digests = callDigests(domainIn(network, "taskEscrow"));
  const dependencies = {
    ...foundations,
    terms,
    callDigests: digests,
    signRelease: releaseSigner(wallet, digests),
    rememberedSet: rememberedSet(head, verifierSet),
    entriesPaused: oncePerBlock((blockNumber) => escrow.entriesPaused(blockNumber)),
    activeAt: activeNodes((node, blockNumber) => nodeRegistry.isActive(node, blockNumber)),
    settlement: new SettlementAdapter(network.contracts.settlement, provider),
    verifierSet,
    outbox,
  };
  return {
    ...dependencies,
    opener: new TaskOpener(dependencies),
    closer: new TaskCloser(dependencies),
    settler: new PaymentSettler(dependencies),
  };
}

/** Payers of `upto` name the entry, so one that the network does not list would never be paid through. */
function entryIn({ facilitators }: Network, facilitator: string): string {
  const listed = facilitators.find(({ address }) => address === facilitator);
  if (listed) return listed.entry;
  throw new OpgError(
    "configuration",
    `OPG_FACILITATOR_KEY is the key of ${facilitator}, which OPG_NETWORK does not list as a facilitator; add it there with its entry.`,
    { facilitator },
  );
}
