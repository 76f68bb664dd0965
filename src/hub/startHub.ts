import { z } from "zod";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { connectChain } from "#chain/provider.ts";
import { observeRpc, watchChain } from "#service/chainMetrics.ts";
import { systemClock } from "#service/clock.ts";
import { daemonVariables, drainSeconds, limitVariables, readConfig, wholeNumber } from "#service/config.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { loadNetwork } from "#service/loadNetwork.ts";
import { createLogger } from "#service/logger.ts";
import { daemonOperations } from "#service/operations.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { createHubApp } from "./hubApp.ts";
import { HubBlobs } from "./hubBlobs.ts";
import { watchStorage } from "./watchStorage.ts";

const hubVariables = {
  ...daemonVariables,
  ...limitVariables,
  /** Folder for the blobs. */
  OPG_STATE: z.string().min(1),
  /** Larger uploads are refused; 256 MiB where left out. */
  OPG_MAX_BLOB_BYTES: wholeNumber(1).default(256 * 1024 * 1024),
  OPG_DRAIN_SECONDS: drainSeconds.default(10),
};

/**
 * Starts the hub: it keeps the files of published versions and gives them to anyone.
 *
 * @throws OpgError `configuration` or `chain_unavailable`
 */
export async function startHub(environment: Readonly<Record<string, string | undefined>>): Promise<Daemon> {
  const config = readConfig(hubVariables, environment);
  const network = await loadNetwork(config.OPG_NETWORK);
  const logger = createLogger("hub", config.OPG_LOG_LEVEL);
  const operations = daemonOperations(logger, config);
  const observe = observeRpc(operations.registry, logger);
  const provider = await connectChain(config.OPG_RPC_URL ?? network.rpcUrl, network.chainId, observe);
  const maxBlobBytes = config.OPG_MAX_BLOB_BYTES;
  const blobs = await HubBlobs.open(config.OPG_STATE, maxBlobBytes);
  const modelRegistry = new ModelRegistryAdapter(network.contracts.modelRegistry, provider, network.deploymentBlock);
  watchChain(operations, { provider, clock: systemClock, maxBlockAgeSeconds: config.OPG_MAX_BLOCK_AGE_SECONDS });
  watchStorage(operations, config.OPG_STATE);
  const app = createHubApp({ blobs, modelRegistry, maxBlobBytes, operations, logger });
  const server = await startHttpServer(app, { host: config.OPG_HOST, port: config.OPG_PORT });
  const stop = async (): Promise<void> => {
    operations.readiness.drain();
    await server.close(config.OPG_DRAIN_SECONDS);
    provider.destroy();
  };
  return { url: server.url, logger, stop };
}
