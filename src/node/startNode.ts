import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Provider } from "ethers";
import { z } from "zod";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { RemoteBlobs } from "#blobs/remoteBlobs.ts";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { type ChainProvider, connectChain } from "#chain/provider.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { address } from "#protocol/hex.ts";
import type { NodeInfo } from "#protocol/messages.ts";
import type { Network } from "#protocol/network.ts";
import { type Clock, systemClock } from "#service/clock.ts";
import { addSignerMetrics, observeRpc, type RpcObserver, watchChain } from "#service/chainMetrics.ts";
import { daemonVariables, drainSeconds, privateKey, readConfig } from "#service/config.ts";
import { loadNetwork } from "#service/loadNetwork.ts";
import { createLogger, type Logger } from "#service/logger.ts";
import { daemonOperations, type Operations } from "#service/operations.ts";
import { repeat } from "#service/repeat.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { AdmissionDuty } from "./admissionDuty.ts";
import type { Page, PagePath } from "./enclave/hostCalls.ts";
import type { StartOptions } from "./enclave/messages.ts";
import { platformVariables } from "./enclave/openPlatform.ts";
import { type EnclaveProcess, startEnclaveProcess } from "./enclaveProcess.ts";
import { forwardConnections } from "./forwardConnections.ts";
import { addNodeMetrics } from "./nodeMetrics.ts";
import { createNodePages } from "./nodePages.ts";
import { type HostHandlers, RemoteEnclave } from "./remoteEnclave.ts";
import { RunnableModels } from "./runnableModels.ts";
import { schedule } from "./schedule.ts";
import { TaskDuty } from "./taskDuty.ts";
import { VerifierQuorums } from "./verifierQuorums.ts";

const MODEL_POLL_SECONDS = 2;
const enclaveProgram = fileURLToPath(new URL("./enclave/main.ts", import.meta.url));

/** Publishers by address, models and versions by id, separated by commas: what the node runs. */
const wantedModels = z
  .string()
  .transform((text) => text.split(",").map((name) => name.trim().toLowerCase()))
  .pipe(z.array(z.string().regex(/^0x([0-9a-f]{40}|[0-9a-f]{64})$/, "must be an address, a modelId or a versionId")))
  .transform((names): ReadonlySet<string> => new Set(names));

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
  OPG_MODELS: wantedModels.optional(),
  ...platformVariables,
  /** As long as verifiers usually take for the streams that are ended, and a margin. */
  OPG_DRAIN_SECONDS: drainSeconds.default(30),
};

type NodeConfig = z.output<z.ZodObject<typeof nodeVariables>>;

/** What a test, or a demonstration, may replace. */
export interface NodeReplacements {
  clock?: Clock;
  /** Another program for the enclave, and what it finds in its environment. */
  enclave?: { program: string; environment?: Readonly<Record<string, string>> };
}

/**
 * Starts a node: its enclave, which is a process of its own, the port that leads into it, and the duties that load models, have
 * it admitted and its results certified.
 *
 * @throws OpgError `configuration` or `chain_unavailable`
 */
export async function startNode(
  environment: Readonly<Record<string, string | undefined>>,
  { clock = systemClock, enclave }: NodeReplacements = {},
): Promise<Daemon> {
  const config = readConfig(nodeVariables, environment);
  const network = await loadNetwork(config.OPG_NETWORK);
  const logger = createLogger("node", config.OPG_LOG_LEVEL);
  const operations = daemonOperations(logger);
  const provider = await openChain(config, network, observeRpc(operations.registry, logger));
  const { program, environment: added } = { program: enclaveProgram, ...enclave };
  try {
    const running = await startEnclaveProcess(program, { ...platformOf(environment), ...added });
    return await startHost(config, { network, operations, provider, running, clock, logger }).catch(
      async (error: unknown) => {
        await running.stop();
        throw error;
      },
    );
  } catch (error) {
    provider.destroy();
    throw error;
  }
}

/** What a host works with. */
interface HostParts {
  network: Network;
  operations: Operations;
  provider: ChainProvider;
  running: EnclaveProcess;
  clock: Clock;
  logger: Logger;
}

async function startHost(config: NodeConfig, parts: HostParts): Promise<Daemon> {
  const { network, operations, provider, running, clock, logger } = parts;
  const enclave = await RemoteEnclave.start(running.socket, startOptions(config, network));
  const contracts = contractsOf(network, provider);
  const blobs = new RemoteBlobs({ hub: network.hub }, { folder: new FolderBlobs(config.OPG_STATE), logger });
  const shared = { ...contracts, network, enclave, operations, clock, logger };
  const models = new RunnableModels({ ...shared, blobs, wanted: config.OPG_MODELS });
  const tasks = new TaskDuty({ ...shared, models, quorums: new VerifierQuorums(contracts.verifierSet) });
  const info = () => infoOf(enclave, models, config);
  enclave.serve(hostHandlers(tasks, createNodePages({ info, enclave, operations, logger })));
  const port = await forwardConnections(running.connections, { host: config.OPG_HOST, port: config.OPG_PORT });
  const url = config.OPG_PUBLIC_URL ?? port.url;
  const operator = config.OPG_OPERATOR_KEY;
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
    const answered = (seconds: number) => enclave.drain(seconds).then(() => tasks.drain());
    try {
      await drain(config.OPG_DRAIN_SECONDS, [answered, ...duties.map((duty) => () => duty.stop())]);
    } finally {
      await port.close();
      await running.stop();
      provider.destroy();
    }
  };
  return { url: port.url, logger, stop, failed: running.ended.then((how) => `The node's enclave has ended: ${how}`) };
}

/** What the enclave may ask of this host. */
function hostHandlers(tasks: TaskDuty, page: (path: PagePath) => Promise<Page>): HostHandlers {
  return {
    admit: (released) => tasks.admit(released),
    begin: async (released) => {
      tasks.begin(released);
      return {};
    },
    abandon: async ({ taskId, code }) => {
      tasks.abandon(taskId, code);
      return {};
    },
    certify: (signed) => tasks.certify(signed),
    page: ({ path }) => page(path),
  };
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

/** What the enclave is bound to. */
function startOptions(config: NodeConfig, { chainId, contracts, parameters, verifiers }: Network): StartOptions {
  const { taskEscrow, settlement, nodeRegistry } = contracts;
  return {
    operator: config.OPG_OPERATOR_KEY.address,
    payout: payoutOf(config),
    chainId,
    contracts: { taskEscrow, settlement, nodeRegistry },
    verifiers: verifiers.map(({ address }) => address),
    settleWindowSeconds: parameters.settleWindowSeconds,
  };
}

/** The platform is the enclave's: what names it is passed on as it is. */
function platformOf(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.keys(platformVariables).flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])),
  );
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

async function infoOf(enclave: RemoteEnclave, models: RunnableModels, config: NodeConfig): Promise<NodeInfo> {
  const { node, hpkeConfig } = enclave.identity;
  const executions = await enclave.executions();
  const operator = config.OPG_OPERATOR_KEY.address;
  return { node, operator, payout: payoutOf(config), hpkeConfig, versions: models.versions, executions };
}
