import { join } from "node:path";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { RemoteBlobs } from "#blobs/remoteBlobs.ts";
import { connectChain } from "#chain/provider.ts";
import { createExecutor, type Executor } from "#execution/executor.ts";
import { type Clock, systemClock } from "#service/clock.ts";
import { readConfig } from "#service/config.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { loadNetwork } from "#service/loadNetwork.ts";
import { createLogger, type Logger } from "#service/logger.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { openVerifierStore, type VerifierStore } from "#store/verifierStore.ts";
import { verifierVariables } from "./verifierVariables.ts";
import { repeat } from "#service/repeat.ts";
import { createVerifier } from "./createVerifier.ts";

const DELIVERY_SECONDS = 1;
const CLOSING_SECONDS = 10;
const FORGET_SECONDS = 600;
const DRAIN_SECONDS = 10;

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
  const provider = await connectChain(config.OPG_RPC_URL ?? network.rpcUrl, network.chainId);
  const store = parts.store ?? (await openVerifierStore(config.DATABASE_URL, logger));
  const clock = parts.clock ?? systemClock;
  const executor = parts.executor ?? (await createExecutor());
  const folder = new FolderBlobs(join(config.OPG_STATE, "blobs"));
  const { app, refusals, closing } = createVerifier({
    network,
    wallet: config.OPG_VERIFIER_KEY,
    provider,
    blobs: new RemoteBlobs({ hub: config.OPG_HUB ?? network.hub }, { folder, logger }),
    executor,
    store,
    clock,
    onRefusal: () => delivery.now(),
    logger,
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
      await Promise.all([server.close(DRAIN_SECONDS), delivery.stop(), closings.stop(), forgetting.stop()]);
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
