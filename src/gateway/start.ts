import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { z } from "zod";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { RemoteBlobs } from "#blobs/remoteBlobs.ts";
import { BatchesAdapter } from "#chain/batches.ts";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { OpgAdapter } from "#chain/opg.ts";
import { type ChainProvider, connectChain } from "#chain/provider.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import { type Clock, systemClock } from "#service/clock.ts";
import { observeRpc, watchChain } from "#service/chainMetrics.ts";
import { readConfig } from "#service/config.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { loadNetwork } from "#service/loadNetwork.ts";
import { createLogger, type Logger } from "#service/logger.ts";
import { daemonOperations, type Operations } from "#service/operations.ts";
import { repeat } from "#service/repeat.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { watchDatabase } from "#service/watchDatabase.ts";
import { type GatewayStore, openGatewayStore } from "#store/gatewayStore.ts";
import { createGatewayApp } from "./app.ts";
import { Demand } from "./demand.ts";
import type { Gateway, GatewaySettings } from "./gateway.ts";
import { ModelCatalog } from "./modelCatalog.ts";
import { NodeDirectory } from "./nodeDirectory.ts";
import { addNodeMetrics } from "./nodeMetrics.ts";
import { Trails } from "./trails.ts";
import { gatewayVariables } from "./variables.ts";

const PRUNE_EVERY_SECONDS = 60;
const MODEL_POLL_SECONDS = 2;

/** What a gateway is made from, besides its network. */
interface GatewayParts {
  settings: GatewaySettings;
  clock: Clock;
  logger: Logger;
  provider: ChainProvider;
  store: GatewayStore;
  operations: Operations;
  token: Gateway["token"];
  /** Folder for cached models. */
  state: string;
}

/**
 * Starts a gateway.
 *
 * @param environment - see `gatewayVariables`
 * @throws OpgError `configuration` also for a database that cannot be used, `chain_unavailable`
 */
export async function startGateway(
  environment: Readonly<Record<string, string | undefined>>,
  { clock = systemClock }: { clock?: Clock } = {},
): Promise<Daemon> {
  const config = readConfig(gatewayVariables, environment);
  const logger = createLogger("gateway", config.OPG_LOG_LEVEL);
  const network = await loadNetwork(config.OPG_NETWORK);
  if (network.facilitators.length === 0) {
    throw new OpgError("configuration", "The network names no facilitator; add one to facilitators in network.json.");
  }
  const operations = daemonOperations(logger, config);
  const observe = observeRpc(operations.registry, logger);
  const provider = await connectChain(config.OPG_RPC_URL ?? network.rpcUrl, network.chainId, observe);
  const settings = settingsOf(config);
  const token = await new OpgAdapter(network.contracts.opg, provider).domain();
  const store = await openGatewayStore(config.DATABASE_URL, logger);
  const parts = { settings, clock, logger, provider, store, operations, token, state: config.OPG_STATE };
  const gateway = assemble(network, parts);
  watch(gateway, provider, config.OPG_MAX_BLOCK_AGE_SECONDS);
  const pruning = repeat("forget answers", PRUNE_EVERY_SECONDS, () => pruneAnswers(gateway), logger);
  const inspecting = repeat("inspect models", MODEL_POLL_SECONDS, () => gateway.catalog.refresh(), logger);
  const server = await startHttpServer(createGatewayApp(gateway), { host: config.OPG_HOST, port: config.OPG_PORT });
  return {
    url: server.url,
    logger,
    stop: async () => {
      operations.readiness.drain();
      // The file under way is not waited for: nothing depends on it.
      void inspecting.stop();
      await server.close(config.OPG_DRAIN_SECONDS ?? settings.executionSeconds + settings.verdictSeconds);
      await pruning.stop();
      await gateway.nodes.close();
      await store.close();
      provider.destroy();
    },
  };
}

function settingsOf(config: z.output<z.ZodObject<typeof gatewayVariables>>): GatewaySettings {
  return {
    taskSeconds: config.OPG_TASK_SECONDS,
    executionSeconds: config.OPG_EXECUTION_SECONDS,
    verdictSeconds: config.OPG_VERDICT_SECONDS,
    releaseSeconds: config.OPG_RELEASE_SECONDS,
    answerSeconds: config.OPG_ANSWER_SECONDS,
    maxOutputBytes: config.OPG_MAX_OUTPUT_BYTES,
    maxBodyBytes: config.OPG_MAX_BODY_BYTES,
  };
}

function watch(gateway: Gateway, provider: ChainProvider, maxBlockAgeSeconds: number): void {
  const { operations, store, clock } = gateway;
  watchChain(operations, { provider, clock, maxBlockAgeSeconds });
  watchDatabase(operations, store.observed);
  addNodeMetrics(gateway);
}

async function pruneAnswers({ store, clock, logger }: Gateway): Promise<void> {
  const payments = await store.prune(clock());
  if (payments > 0) logger.info({ payments }, "answers forgotten");
}

function assemble(network: Network, parts: GatewayParts): Gateway {
  const { settings, clock, logger, provider, store, operations, token, state } = parts;
  const { contracts, deploymentBlock } = network;
  const models = new ModelRegistryAdapter(contracts.modelRegistry, provider, deploymentBlock);
  const nodes = new NodeRegistryAdapter(contracts.nodeRegistry, provider, deploymentBlock);
  const taskEscrow = new TaskEscrowAdapter(contracts.taskEscrow, provider);
  const settlement = new SettlementAdapter(contracts.settlement, provider);
  const batches = new BatchesAdapter(contracts.settlement, provider);
  const folder = new FolderBlobs(join(state, "blobs"));
  const blobs = new RemoteBlobs({ hub: network.hub }, { folder, logger });
  return {
    network,
    settings,
    clock,
    monotonicMs: () => performance.now(),
    logger,
    randomBytes,
    token,
    store,
    operations,
    catalog: new ModelCatalog({ registry: models, blobs, clock, logger }),
    nodes: new NodeDirectory({ registry: nodes, clock, logger, random: Math.random }),
    demand: new Demand(clock),
    trails: new Trails({ network, provider, taskEscrow, settlement, batches, nodes, models, logger }),
  };
}
