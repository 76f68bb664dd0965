import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { id, sha256 } from "ethers";
import hre from "hardhat";
import { writeSimulatedRoot } from "#attestation/nitro/simulated.ts";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { localAccount, type LocalRole } from "#deploy/localAccounts.ts";
import { createExecutor } from "#execution/executor.ts";
import { inspectModel } from "#execution/inspectModel.ts";
import { profileDigest } from "#execution/profile.ts";
import { createHubApp } from "#hub/hubApp.ts";
import { HubBlobs } from "#hub/hubBlobs.ts";
import { startNode } from "#node/startNode.ts";
import {
  type AnsweredTask,
  answeredTaskJson,
  type NodeInfo,
  nodeInfoJson,
  type ReleasedRequestJson,
} from "#protocol/messages.ts";
import { modelIdOf, type ModelVersion, onnxFormat, versionIdOf } from "#protocol/model.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import { requestDigest } from "#protocol/request.ts";
import { releaseTypedData, type SignedRelease, type Task, taskIdOf, taskToJson } from "#protocol/task.ts";
import { type Tensor, tensorsDigest, tensorsToJson } from "#protocol/tensors.ts";
import { type Clock, systemClock } from "#service/clock.ts";
import { httpCall } from "#service/httpCall.ts";
import { type HttpServer, startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { Operations } from "#service/operations.ts";
import { pinnedDispatcher } from "#service/pinnedDispatcher.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { testEvidenceRoots, testRoot } from "#test/attestation/testRoot.ts";
import { approvedMeasurement, networkFixture, sign } from "#test/contracts/fixture.ts";
import { chainTime } from "./chainTime.ts";
import { negation } from "./models.ts";
import { serveChain } from "./serveChain.ts";
import { startTestFacilitator } from "./testFacilitator.ts";
import { TestVerifier } from "./testVerifier.ts";

const logger = createLogger("test", "silent");
const host = "127.0.0.1";

export const meter = { base: 1_000n, perInputByte: 10n, perOutputByte: 1n };

/** A node under test, reached as a gateway reaches it: with the TLS key pinned that the registry has. */
export interface AdmittedNode {
  daemon: Daemon;
  address: string;
  tlsKeyHash: string;
  answer(request: ReleasedRequestJson): Promise<AnsweredTask>;
  info(): Promise<NodeInfo>;
}

/**
 * All that a node meets: a real chain with the network's contracts, a real hub, three verifiers that sign with the keys
 * of the set, and a facilitator that takes certificates.
 */
export async function startNodeNetwork() {
  const connection = await hre.network.create();
  const fixture = await networkFixture(connection);
  const folder = await mkdtemp(join(tmpdir(), "opg-node-"));
  const executor = await createExecutor();
  // Hardhat's blocks are a second apart at least, so that its time runs ahead of ours.
  const time = chainTime(join(folder, "lead"), (await fixture.now()) - systemClock());
  const clock = () => systemClock() + time.leadSeconds;

  const closing: (() => Promise<unknown>)[] = [() => executor.close(), () => rm(folder, { recursive: true })];
  const chain = await serveChain(connection);
  closing.unshift(() => chain.close());
  const hub = await startTestHub(fixture, join(folder, "hub"));
  closing.unshift(() => hub.close(0));
  const facilitator = await startTestFacilitator();
  closing.unshift(() => facilitator.close());

  const verifiers = fixture.wallets.verifiers.map((wallet) => {
    const blockHash = async (number: number) => (await fixture.provider.getBlock(number))!.hash!;
    return new TestVerifier({
      wallet,
      executor,
      model: inspectModel(negation),
      clock,
      network: () => network,
      blockHash,
    });
  });
  await Promise.all(verifiers.map((verifier) => verifier.start()));
  closing.unshift(() => Promise.all(verifiers.map((verifier) => verifier.stop())));

  const network: Network = describeNetwork(fixture, {
    rpcUrl: chain.url,
    hub: hub.url,
    facilitator: facilitator.url,
    verifiers,
  });
  const networkFile = join(folder, "network.json");
  await writeFile(networkFile, JSON.stringify(network));
  const setting = { fixture, folder, network, networkFile, clock, leadFile: time.file, hub: hub.url };
  const close = async (): Promise<void> => {
    for (const step of closing) await step();
    await connection.close();
  };
  /** Governance sets the window of the measurement that nodes run under. */
  const setMeasurement = async (from: number, until: number): Promise<void> => {
    const { nodeRegistry, govern, parameters } = fixture;
    const data = nodeRegistry.interface.encodeFunctionData("setMeasurement", [approvedMeasurement, from, until]);
    await govern({ to: network.contracts.nodeRegistry, data });
    time.leadSeconds += parameters.timelockDelaySeconds;
  };
  return {
    ...setting,
    setMeasurement,
    time,
    facilitator,
    verifiers,
    executor,
    ...publishing(setting),
    ...releasing(setting),
    ...starting(setting),
    close,
  };
}

export type NodeNetwork = Awaited<ReturnType<typeof startNodeNetwork>>;

type Fixture = Awaited<ReturnType<typeof networkFixture>>;
interface Setting {
  fixture: Fixture;
  folder: string;
  network: Network;
  networkFile: string;
  clock: Clock;
  /** Tells enclaves how far the chain's time is ahead. */
  leadFile: string;
  hub: string;
}

function describeNetwork(
  { chainId, deploymentBlock, addresses, parameters, wallets, entry }: Fixture,
  urls: { rpcUrl: string; hub: string; facilitator: string; verifiers: readonly TestVerifier[] },
): Network {
  const { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds } = parameters;
  return {
    name: "test",
    chainId,
    rpcUrl: urls.rpcUrl,
    deploymentBlock,
    contracts: addresses,
    parameters: { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds, evidenceRoots: testEvidenceRoots },
    hub: urls.hub,
    gateway: "http://127.0.0.1:1",
    facilitators: [{ address: wallets.facilitator.address, entry, url: urls.facilitator }],
    verifiers: urls.verifiers.map(({ address, url }) => ({ address, url })),
  };
}

async function startTestHub({ addresses, provider, deploymentBlock }: Fixture, folder: string): Promise<HttpServer> {
  const modelRegistry = new ModelRegistryAdapter(addresses.modelRegistry, provider, deploymentBlock);
  const maxBlobBytes = 1_000_000;
  const blobs = await HubBlobs.open(folder, maxBlobBytes);
  const app = createHubApp({ blobs, modelRegistry, maxBlobBytes, operations: new Operations(), logger });
  return startHttpServer(app, { host, port: 0 });
}

function publishing({ fixture, folder, hub }: Setting) {
  const { modelRegistry, wallets } = fixture;
  const upload = (digest: string, bytes: Uint8Array): Promise<Response> =>
    fetch(`${hub}/blobs/${digest}`, { method: "PUT", body: Uint8Array.from(bytes) });
  /** Publishes a version on chain, of the publisher whose models nodes run unless said otherwise. @returns its id */
  const publish = async (name: string, changes: Partial<ModelVersion> = {}, by = wallets.stranger): Promise<string> => {
    const publisher = modelRegistry.connect(by);
    const version: ModelVersion = {
      modelId: modelIdOf(by.address, id(name)),
      contentDigest: sha256(negation),
      storageId: id("storage"),
      format: onnxFormat,
      profile: profileDigest,
      meter,
      ...changes,
    };
    await publisher.createModel(id(name), name);
    await publisher.publishVersion(version, "1");
    return versionIdOf(version);
  };
  /** Puts bytes where the hub keeps a blob, whatever they hash to. */
  const storeAtHub = (digest: string, bytes: Uint8Array): Promise<void> =>
    writeFile(join(folder, "hub", digest), bytes);
  return { publish, upload, storeAtHub };
}

function releasing({ fixture, network, clock }: Setting) {
  const taskEscrow = domainIn(network, "taskEscrow");
  const salt = id("salt");
  let nonce = 0n;
  const releaseOf = async (task: Task, changes: Partial<SignedRelease> = {}, signer = fixture.wallets.facilitator) => {
    const release = { taskId: taskIdOf(task, taskEscrow), paymentDigest: id("payment"), releasedAt: clock() };
    const signature = await sign(signer, releaseTypedData({ ...release, ...changes }, taskEscrow));
    return { ...release, facilitator: signer.address, signature, ...changes };
  };
  /** A paid, released request: the task is open on chain. */
  const release = async (node: string, versionId: string, numbers: number[], changes: Partial<Task> = {}) => {
    const x: Tensor = {
      dtype: "float32",
      shape: [numbers.length],
      data: new Uint8Array(Float32Array.from(numbers).buffer),
    };
    const request = requestDigest(salt, versionId, tensorsDigest(["x"], { x }));
    const task = await fixture.openTask({ node, model: versionId, request, nonce: nonce++, ...changes });
    const body = { task: taskToJson(task), release: await releaseOf(task), salt, inputs: tensorsToJson({ x }) };
    return { task, body: body satisfies ReleasedRequestJson };
  };
  return { releaseOf, release };
}

const testEnclave = fileURLToPath(new URL("./programs/testEnclave.ts", import.meta.url));

function starting({ fixture, folder, networkFile, clock, leadFile, network }: Setting) {
  const { nodeRegistry } = fixture;
  const payout = localAccount("governor").address;
  const environment = (operator: LocalRole) => ({
    OPG_NETWORK: networkFile,
    OPG_PORT: "0",
    OPG_LOG_LEVEL: process.env["OPG_LOG_LEVEL"] ?? "silent",
    OPG_STATE: join(folder, operator),
    OPG_OPERATOR_KEY: localAccount(operator).privateKey,
    OPG_PAYOUT: payout,
    OPG_MODELS: fixture.wallets.stranger.address,
    OPG_SIMULATED_ROOT_KEY: writeSimulatedRoot(testRoot),
  });
  /** Starts a node on an enclave program of the tests, and says what that finds in its environment. */
  const start = (
    operator: LocalRole,
    enclave: Readonly<Record<string, string>> = {},
    program = testEnclave,
  ): Promise<Daemon> => {
    const replaced = { program, environment: { OPG_TEST_LEAD_FILE: leadFile, ...enclave } };
    return startNode(environment(operator), { clock, enclave: replaced });
  };
  /** The node that announced a daemon's URL, once it is active. */
  const admitted = async (daemon: Daemon): Promise<AdmittedNode> => {
    const { provider, deploymentBlock } = fixture;
    const registry = new NodeRegistryAdapter(network.contracts.nodeRegistry, provider, deploymentBlock);
    const found = await eventually(async () => (await registry.listNodes()).find(({ url }) => url === daemon.url));
    expect(await nodeRegistry.isActive(found.address)).to.equal(true);
    const { address, tlsKeyHash } = found;
    const call = {
      timeoutSeconds: 30,
      unavailable: "node_unavailable",
      dispatcher: pinnedDispatcher(tlsKeyHash),
    } as const;
    return {
      daemon,
      address,
      tlsKeyHash,
      answer: (body) =>
        httpCall({ ...call, method: "POST", url: `${daemon.url}/tasks`, body, answer: answeredTaskJson }),
      info: () => httpCall({ ...call, method: "GET", url: `${daemon.url}/info`, answer: nodeInfoJson }),
    };
  };
  /** Resolves when a node has loaded a version. */
  const loaded = (running: AdmittedNode, versionId: string): Promise<true> =>
    eventually(async () => (await running.info()).versions.includes(versionId) || undefined);
  /** A node as it is registered. */
  const registered = (node: string) => {
    const { provider, deploymentBlock } = fixture;
    return new NodeRegistryAdapter(network.contracts.nodeRegistry, provider, deploymentBlock).node(node);
  };
  return { environment, start, admitted, loaded, registered, payout };
}

/** Asks until there is an answer. */
export async function eventually<Answer>(ask: () => Promise<Answer | undefined>): Promise<Answer> {
  const givenUp = Date.now() + 20_000;
  while (Date.now() < givenUp) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await setTimeout(50);
  }
  throw new Error("it did not happen within 20 s");
}
