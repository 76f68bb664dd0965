import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { id, Wallet, ZeroHash } from "ethers";
import hre from "hardhat";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { createExecutor, type Executor } from "#execution/executor.ts";
import { profileDigest } from "#execution/profile.ts";
import type { ReleasedRequestJson } from "#protocol/messages.ts";
import { meterCharge } from "#protocol/meter.ts";
import { modelIdOf, onnxFormat, type ModelVersion, versionIdOf } from "#protocol/model.ts";
import type { Network } from "#protocol/network.ts";
import { requestDigest } from "#protocol/request.ts";
import { responseDigest, type Result, resultToJson, type SignedResultJson } from "#protocol/result.ts";
import { sealingKeyJson } from "#protocol/sealedRequest.ts";
import { releaseTypedData, type Task, taskIdOf, taskToJson } from "#protocol/task.ts";
import { type NamedTensors, tensorsDigest, tensorsToJson } from "#protocol/tensors.ts";
import { createLogger } from "#service/logger.ts";
import { Operations } from "#service/operations.ts";
import { openVerifierStore, type VerifierStore } from "#store/verifierStore.ts";
import { testEvidenceRoots } from "#test/attestation/testRoot.ts";
import { networkFixture, sign } from "#test/contracts/fixture.ts";
import { buildGraph, node as operator, value } from "#test/execution/buildGraph.ts";
import { createVerifier } from "#verifier/createVerifier.ts";
import { sealRequest } from "./sealRequest.ts";

/** A model that doubles what it is given. */
const doubling = buildGraph({
  inputs: [value("x", "float32", ["n"])],
  outputs: [value("y", "float32", ["n"])],
  nodes: [operator("Add", ["x", "x"], ["y"])],
});
const meter = { base: 1_000n, perInputByte: 10n, perOutputByte: 100n };
const salt = id("salt");

export const silent = createLogger("test", "silent");

/** Float32 tensors by name. */
export function floats(name: string, values: readonly number[]): NamedTensors {
  return {
    [name]: { dtype: "float32", shape: [values.length], data: new Uint8Array(new Float32Array(values).buffer) },
  };
}

/**
 * A network on Hardhat's chain with a published model and an admitted node, and what it takes to run verifiers on it: an
 * executor that counts its runs, and a clock that stands still.
 */
export async function verifierFixture() {
  const connection = await hre.network.create();
  const fixture = await networkFixture(connection);
  const folder = mkdtempSync(join(tmpdir(), "opg-verifier-blobs-"));
  const executor = await createExecutor();
  const network = networkOf(fixture);
  const blobs = new FolderBlobs(folder);
  const version = await publish(fixture, await blobs.put(doubling));
  await admit(fixture);
  const time = { now: await fixture.now() };
  const runs: { count: number; failure?: Error | undefined } = { count: 0 };
  const counting: Executor = {
    run: async (model, inputs) => {
      if (runs.failure) throw runs.failure;
      runs.count += 1;
      return executor.run(model, inputs);
    },
    close: () => executor.close(),
  };
  const stores: VerifierStore[] = [];
  const stop = async () => {
    await Promise.all(stores.map((store) => store.close()));
    await executor.close();
    rmSync(folder, { recursive: true });
    await connection.close();
  };
  /** Starts a verifier on a database; a second one on the same database is the first after a restart. */
  const start = async (index: 0 | 1 | 2, databaseUrl: string, changed: StartChanges = {}) => {
    const store = { ...(await openVerifierStore(databaseUrl, silent)), ...changed.store };
    stores.push(store);
    const wallet = new Wallet(fixture.wallets.verifiers[index].privateKey);
    const verifier = createVerifier({
      network: { ...network, ...changed.network },
      wallet,
      provider: fixture.provider,
      blobs,
      executor: counting,
      store,
      operations: new Operations(),
      clock: () => time.now,
      onRefusal: () => undefined,
      logger: silent,
    });
    return { ...verifier, store, address: wallet.address, post: posting(verifier.app, network.chainId) };
  };
  const base = { ...fixture, network, version, modelBytes: doubling, folder, time, runs, start, stop };
  return { ...base, ...requestMaking(base) };
}

/** What {@link verifierFixture} gives. */
export type VerifierFixture = Awaited<ReturnType<typeof verifierFixture>>;

/** How a verifier is started otherwise. */
interface StartChanges {
  network?: Partial<Network>;
  store?: Partial<VerifierStore>;
}

/** An app's answer to a body; a released request is sealed to it. */
function posting(
  app: { request: (path: string, init?: RequestInit) => Response | Promise<Response> },
  chainId: number,
) {
  const sealed = async (body: ReleasedRequestJson): Promise<unknown> => {
    const key = sealingKeyJson.parse(await (await app.request("/sealing-key")).json());
    return sealRequest(key, chainId, body);
  };
  return async (path: string, body: unknown): Promise<{ status: number; body: unknown }> => {
    const isRequest = path === "/tasks" && typeof body === "object" && body !== null && "release" in body;
    const content = isRequest ? await sealed(body as ReleasedRequestJson) : body;
    const response = await app.request(path, { method: "POST", body: JSON.stringify(content) });
    return { status: response.status, body: await response.json() };
  };
}

type Fixture = Awaited<ReturnType<typeof networkFixture>>;

function networkOf({ addresses, deploymentBlock, chainId, parameters, wallets, entry }: Fixture): Network {
  const { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds } = parameters;
  const nowhere = "http://127.0.0.1:1";
  return {
    name: "test",
    chainId,
    rpcUrl: nowhere,
    deploymentBlock,
    contracts: addresses,
    parameters: { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds, evidenceRoots: testEvidenceRoots },
    hub: nowhere,
    gateway: nowhere,
    facilitators: [{ address: wallets.facilitator.address, entry, url: nowhere }],
    verifiers: wallets.verifiers.map(({ address }) => ({ address, url: nowhere })),
  };
}

async function publish({ modelRegistry, wallets }: Fixture, contentDigest: string): Promise<ModelVersion> {
  const modelId = modelIdOf(wallets.deployer.address, ZeroHash);
  const version = {
    modelId,
    contentDigest,
    storageId: id("storage"),
    format: onnxFormat,
    profile: profileDigest,
    meter,
  };
  const publisher = modelRegistry.connect(wallets.deployer);
  await publisher.createModel(ZeroHash, "doubling");
  await publisher.publishVersion(version, "1");
  return version;
}

async function admit({ nodeRegistry, makeAdmission, signAdmission, wallets }: Fixture): Promise<void> {
  const admission = await makeAdmission();
  const { enclaveSignature, certificate } = await signAdmission(admission);
  await nodeRegistry.connect(wallets.operator).admit(admission, enclaveSignature, certificate);
}

function requestMaking(base: RequestBase) {
  const { version, wallets, makeTask, signPayment, taskEscrow, domainOf, time, makeResult, signResult } = base;
  const model = versionIdOf(version);
  const inputs = floats("x", [1, 2, 3]);
  const outputs = floats("y", [2, 4, 6]);
  const charge = meterCharge(meter, 12n, 12n);
  const response = responseDigest(salt, tensorsDigest(["y"], outputs));
  const tasks = new Map<string, Task>();
  const request = requestDigest(salt, model, tensorsDigest(["x"], inputs));
  const release = async (task: Task, changes: ReleaseChanges = {}): Promise<ReleasedRequestJson> => {
    const { signer = wallets.facilitator, releasedAt = time.now } = changes;
    const taskId = taskIdOf(task, domainOf("taskEscrow"));
    const unsigned = { taskId, paymentDigest: id("payment"), releasedAt };
    const signature = await sign(signer, releaseTypedData(unsigned, domainOf("taskEscrow")));
    const signed = { ...unsigned, facilitator: signer.address, signature };
    return { task: taskToJson(task), release: signed, salt, inputs: tensorsToJson(inputs) };
  };
  /** A task of its own each time, released now by the facilitator. */
  const makeRequest = async (changes: Partial<Task> = {}, releaseChanges: ReleaseChanges = {}) => {
    const terms = { model, request, maxAmount: 1_000_000n, deadline: time.now + 300, nonce: BigInt(tasks.size) };
    const task = await makeTask({ ...terms, ...changes });
    const taskId = taskIdOf(task, domainOf("taskEscrow"));
    tasks.set(taskId, task);
    return { task, taskId, body: await release(task, releaseChanges) };
  };
  /** As {@link makeRequest}, with the money locked. */
  const openRequest = async () => {
    const made = await makeRequest();
    await taskEscrow.connect(wallets.facilitator).open(made.task, await signPayment(made.task));
    return made;
  };
  /** The node's signed result, honest but for the changes. */
  const answer = async (task: Task, changes: Partial<Result> = {}): Promise<SignedResultJson> => {
    const result = await makeResult(task, { response, amount: charge, completedAt: time.now, ...changes });
    return { result: resultToJson(result), nodeSignature: await signResult(result) };
  };
  const taskOf = (taskId: string): Task => tasks.get(taskId) ?? expect.fail(`${taskId} is no task of this test`);
  return { makeRequest, openRequest, taskOf, answer, response, charge };
}

/** What a release says otherwise than that the facilitator signed it now. */
interface ReleaseChanges {
  releasedAt?: number;
  signer?: Wallet;
}

type RequestBase = Fixture & { version: ModelVersion; time: { now: number } };
