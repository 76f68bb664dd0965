import { join } from "node:path";
import type { z } from "zod";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { RemoteBlobs } from "#blobs/remoteBlobs.ts";
import { type ChainProvider, connectChain } from "#chain/provider.ts";
import { createExecutor, type Executor } from "#execution/executor.ts";
import type { Network } from "#protocol/network.ts";
import { addSignerMetrics, observeRpc, type RpcObserver, watchChain } from "#service/chainMetrics.ts";
import { type Clock, systemClock } from "#service/clock.ts";
import { readConfig } from "#service/config.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { loadNetwork } from "#service/loadNetwork.ts";
import { createLogger, type Logger } from "#service/logger.ts";
import { daemonOperations, type Operations } from "#service/operations.ts";
import { addReadMetric } from "#service/readMetric.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { watchDatabase } from "#service/watchDatabase.ts";
import { openVerifierStore, type VerifierStore } from "#store/verifierStore.ts";
import { verifierVariables } from "./verifierVariables.ts";
import { repeat } from "#service/repeat.ts";
import { createVerifier } from "./createVerifier.ts";

const DELIVERY_SECONDS = 1;
const CLOSING_SECONDS = 10;
const FORGET_SECONDS = 600;

/** Parts that a test may replace. */
export interface VerifierParts {
  store?: VerifierStore;
  clock?: Clock;
  executor?: Executor;
}

/**
 * Starts a verifier.
 *
 * @param environment - see `verifierVariables`
 * @throws OpgError `configuration` or `chain_unavailable`
 */
export async function startVerifier(
  environment: Readonly<Record<string, string | undefined>>,
  parts: VerifierParts = {},
): Promise<Daemon> {
  const config = readConfig(verifierVariables, environment);
  const logger = createLogger("verifier", config.OPG_LOG_LEVEL);
  const network = await loadNetwork(config.OPG_NETWORK);
  const operations = daemonOperations(logger);
  const provider = await openChain(config, network, observeRpc(operations.registry, logger));
  const store = parts.store ?? (await openVerifierStore(config.DATABASE_URL, logger));
  const clock = parts.clock ?? systemClock;
  const executor = parts.executor ?? (await createExecutor());
  watch(config, operations, { provider, store, clock });
  const folder = new FolderBlobs(join(config.OPG_STATE, "blobs"));
  const { app, refusals, closing } = createVerifier({
    ...{ network, provider, executor, store, operations, clock, logger },
    wallet: config.OPG_VERIFIER_KEY,
    blobs: new RemoteBlobs({ hub: config.OPG_HUB ?? network.hub }, { folder, logger }),
    onRefusal: () => delivery.now(),
  });
  const delivery = repeat("deliver refusals", DELIVERY_SECONDS, () => refusals.deliverDue(), logger);
  const closings = repeat("close epochs", CLOSING_SECONDS, () => closing.closeDue(), logger);
  const keptSeconds = config.OPG_RETENTION_SECONDS + network.parameters.settleWindowSeconds;
  const forget = () => forgetEnded(store, clock() - keptSeconds, logger);
  const forgetting = repeat("forget what ended", FORGET_SECONDS, forget, logger);
  const server = await startHttpServer(app, { host: config.OPG_HOST, port: config.OPG_PORT });
  return {
    url: server.url,
    logger,
    stop: async () => {
      operations.readiness.drain();
      await Promise.all([server.close(config.OPG_DRAIN_SECONDS), delivery.stop(), closings.stop(), forgetting.stop()]);
      await executor.close();
      await store.close();
      provider.destroy();
    },
  };
}

async function forgetEnded(store: VerifierStore, dueBeforeSeconds: number, logger: Logger): Promise<void> {
  const tasks = await store.prune(dueBeforeSeconds);
  if (tasks > 0) logger.info({ tasks }, "ended tasks forgotten");
}

type VerifierConfig = z.output<z.ZodObject<typeof verifierVariables>>;

function openChain(config: VerifierConfig, network: Network, observer: RpcObserver): Promise<ChainProvider> {
  return connectChain(config.OPG_RPC_URL ?? network.rpcUrl, network.chainId, observer);
}

function watch(
  config: VerifierConfig,
  operations: Operations,
  { provider, store, clock }: { provider: ChainProvider; store: VerifierStore; clock: Clock },
): void {
  watchChain(operations, { provider, clock, maxBlockAgeSeconds: config.OPG_MAX_BLOCK_AGE_SECONDS });
  watchDatabase(operations, store.observed);
  addSignerMetrics(operations.registry, provider, [config.OPG_VERIFIER_KEY.address]);
  const undelivered = {
    name: "opg_undelivered_refusals",
    help: "Refusals that the facilitator has not taken, up to 100.",
  };
  const read = async () => [{ value: (await store.undeliveredRefusals(clock())).length }];
  addReadMetric(operations.registry, undelivered, read);
}
