import { setTimeout as sleep } from "node:timers/promises";
import type { Provider } from "ethers";
import { z } from "zod";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { RemoteBlobs } from "#blobs/remoteBlobs.ts";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { type ChainProvider, connectChain } from "#chain/provider.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { createExecutor, type Executor } from "#execution/executor.ts";
import { address } from "#protocol/hex.ts";
import type { NodeInfo } from "#protocol/messages.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import { type Clock, systemClock } from "#service/clock.ts";
import { addSignerMetrics, observeRpc, type RpcObserver, watchChain } from "#service/chainMetrics.ts";
import { daemonVariables, drainSeconds, privateKey, readConfig } from "#service/config.ts";
import { loadNetwork } from "#service/loadNetwork.ts";
import { createLogger } from "#service/logger.ts";
import { daemonOperations, type Operations } from "#service/operations.ts";
import { repeat } from "#service/repeat.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { AdmissionDuty } from "./admissionDuty.ts";
import { createEnclave } from "./enclave/createEnclave.ts";
import type { Enclave } from "./enclave/enclave.ts";
import { openPlatform, platformVariables } from "./enclave/openPlatform.ts";
import { createNodeApp } from "./nodeApp.ts";
import { addNodeMetrics } from "./nodeMetrics.ts";
import { schedule } from "./schedule.ts";
import { RunnableModels } from "./runnableModels.ts";
import { TaskDuty } from "./taskDuty.ts";
import { VerifierQuorums } from "./verifierQuorums.ts";

const MODEL_POLL_SECONDS = 2;

const nodeVariables = {
  ...daemonVariables,
  /** Folder for fetched models. */
  OPG_STATE: z.string().min(1),
  /** Pays for admissions and may announce and retire the node. */
  OPG_OPERATOR_KEY: privateKey,
  /** Where the node's share of charges goes; the operator where left out. */
  OPG_PAYOUT: address.optional(),
  /** What the node announces; where it listens, where left out. */
  OPG_PUBLIC_URL: z.url().max(256).optional(),
  ...platformVariables,
  /** As long as verifiers usually take for the streams that are ended, and a margin. */
  OPG_DRAIN_SECONDS: drainSeconds.default(30),
};

type NodeConfig = z.output<z.ZodObject<typeof nodeVariables>>;

/** What a test may replace. */
export interface NodeReplacements {
  executor?: Executor;
  clock?: Clock;
}

/**
 * Starts a node: an enclave with new keys, its HTTPS server, and the duties that load models and have it admitted.
 *
 * @throws OpgError `configuration` or `chain_unavailable`
 */
export async function startNode(
  environment: Readonly<Record<string, string | undefined>>,
  { executor, clock = systemClock }: NodeReplacements = {},
): Promise<Daemon> {
  const config = readConfig(nodeVariables, environment);
  const network = await loadNetwork(config.OPG_NETWORK);
  const logger = createLogger("node", config.OPG_LOG_LEVEL);
  const operations = daemonOperations(logger);
  const provider = await openChain(config, network, observeRpc(operations.registry, logger));
  const ownExecutor = executor ?? (await createExecutor());
  const enclave = await startEnclave(config, network, ownExecutor, clock);
  const contracts = contractsOf(network, provider);
  const blobs = new RemoteBlobs({ hub: network.hub }, { folder: new FolderBlobs(config.OPG_STATE), logger });
  const models = new RunnableModels({ modelRegistry: contracts.modelRegistry, blobs, clock, logger });
  const shared = { ...contracts, network, enclave, operations, clock, logger };
  const tasks = new TaskDuty({ ...shared, models, quorums: new VerifierQuorums(contracts.verifierSet) });
  const operator = config.OPG_OPERATOR_KEY;
  const info = () => infoOf(enclave, models, operator.address, payoutOf(config));
  const app = createNodeApp({ tasks, info, operations, logger });
  const server = await enclave.listen(app, { host: config.OPG_HOST, port: config.OPG_PORT });
  const url = config.OPG_PUBLIC_URL ?? server.url;
  const admission = new AdmissionDuty({ ...shared, operator, provider, url });
  watchChain(operations, { provider, clock, maxBlockAgeSeconds: config.OPG_MAX_BLOCK_AGE_SECONDS });
  watchAdmission(operations, contracts.nodeRegistry, enclave.identity.node);
  addNodeMetrics(operations, { enclave, models, admission, clock });
  addSignerMetrics(operations.registry, provider, [operator.address]);
  const duties = [
    repeat("load models", MODEL_POLL_SECONDS, () => models.refresh(), logger),
    schedule(() => admission.step()),
  ];
  const stop = async (): Promise<void> => {
    operations.readiness.drain();
    tasks.endStreams();
    const answered = (seconds: number) => server.close(seconds).then(() => tasks.drain());
    await drain(config.OPG_DRAIN_SECONDS, [answered, ...duties.map((duty) => () => duty.stop())]);
    await ownExecutor.close();
    provider.destroy();
  };
  return { url: server.url, logger, stop };
}

/** Ends what runs; what has not ended in time is left. */
async function drain(seconds: number, ends: readonly ((seconds: number) => Promise<void>)[]): Promise<void> {
  const ended = Promise.all(ends.map((end) => end(seconds)));
  await Promise.race([ended, sleep(seconds * 1000, undefined, { ref: false })]);
}

/** A node that is not admitted gets no tasks: the admission is a dependency. */
function watchAdmission({ readiness }: Operations, nodeRegistry: NodeRegistryAdapter, node: string): void {
  readiness.require("admission", async () =>
    (await nodeRegistry.isActive(node)) ? undefined : "the registry does not name this node as active",
  );
}

function openChain(config: NodeConfig, network: Network, observer: RpcObserver): Promise<ChainProvider> {
  return connectChain(config.OPG_RPC_URL ?? network.rpcUrl, network.chainId, observer);
}

async function startEnclave(config: NodeConfig, network: Network, executor: Executor, clock: Clock): Promise<Enclave> {
  return createEnclave({
    platform: await openPlatform(config, clock),
    executor,
    clock,
    operator: config.OPG_OPERATOR_KEY.address,
    payout: payoutOf(config),
    domains: {
      taskEscrow: domainIn(network, "taskEscrow"),
      settlement: domainIn(network, "settlement"),
      nodeRegistry: domainIn(network, "nodeRegistry"),
    },
  });
}

function payoutOf({ OPG_PAYOUT, OPG_OPERATOR_KEY }: NodeConfig): string {
  return OPG_PAYOUT ?? OPG_OPERATOR_KEY.address;
}

function contractsOf({ contracts, deploymentBlock }: Network, provider: Provider) {
  return {
    modelRegistry: new ModelRegistryAdapter(contracts.modelRegistry, provider, deploymentBlock),
    nodeRegistry: new NodeRegistryAdapter(contracts.nodeRegistry, provider, deploymentBlock),
    verifierSet: new VerifierSetAdapter(contracts.verifierSet, provider),
    taskEscrow: new TaskEscrowAdapter(contracts.taskEscrow, provider),
  };
}

function infoOf(enclave: Enclave, models: RunnableModels, operator: string, payout: string): NodeInfo {
  const { node, hpkeConfig } = enclave.identity;
  return { node, operator, payout, hpkeConfig, versions: models.versions, executions: enclave.executions };
}
