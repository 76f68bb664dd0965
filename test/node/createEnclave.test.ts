import { inspect } from "node:util";
import { expect } from "chai";
import { computeAddress, getAddress, id, sha256, verifyTypedData } from "ethers";
import { checkEvidence } from "#attestation/checkEvidence.ts";
import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import { createExecutor, type Executor } from "#execution/executor.ts";
import { inspectModel } from "#execution/inspectModel.ts";
import { profileDigest } from "#execution/profile.ts";
import { createEnclave } from "#node/enclave/createEnclave.ts";
import type { Enclave, VersionedModel } from "#node/enclave/enclave.ts";
import { makeKeys } from "#node/enclave/makeKeys.ts";
import { admissionTypedData, identityBinding } from "#protocol/admission.ts";
import type { ReleasedRequest } from "#protocol/messages.ts";
import { onnxFormat, versionIdOf } from "#protocol/model.ts";
import { requestDigest } from "#protocol/request.ts";
import { responseDigest, resultTypedData } from "#protocol/result.ts";
import { type Task, taskIdOf } from "#protocol/task.ts";
import { type Tensor, tensorsDigest, tensorsToJson } from "#protocol/tensors.ts";
import type { Domain } from "#protocol/typedData.ts";
import { testEvidenceRoots, testPlatform } from "#test/attestation/testRoot.ts";
import { rejection } from "#test/execution/rejection.ts";
import { addition, negation } from "./models.ts";

const now = 1_900_000_000;
const domainOf = (last: string): Domain => ({
  chainId: 31_337n,
  verifyingContract: getAddress(`0x${last.padStart(40, "0")}`),
});
const domains = { taskEscrow: domainOf("1"), settlement: domainOf("2"), nodeRegistry: domainOf("3") };
const operator = domainOf("4").verifyingContract;
const payout = domainOf("5").verifyingContract;
const verifiers = [domainOf("6").verifyingContract];
const salt = id("salt");
const x: Tensor = { dtype: "float32", shape: [2], data: new Uint8Array(Float32Array.of(1, -2).buffer) };
const y: Tensor = { dtype: "float32", shape: [2], data: new Uint8Array(Float32Array.of(-1, 2).buffer) };

const version = {
  modelId: id("model"),
  contentDigest: sha256(negation),
  storageId: id("storage"),
  format: onnxFormat,
  profile: profileDigest,
  meter: { base: 100n, perInputByte: 2n, perOutputByte: 3n },
};
const versioned: VersionedModel = { version, model: inspectModel(negation) };
const charge = 100n + 8n * 2n + 8n * 3n;

describe("enclave", () => {
  let executor: Executor;
  let enclave: Enclave;
  let time = now;

  const start = async (): Promise<Enclave> => {
    const clock = () => time;
    const platform = testPlatform(clock);
    const bound = { operator, payout, domains, verifiers };
    return createEnclave({ platform, executor, clock, ...bound }, await makeKeys(clock()));
  };

  before(async () => {
    executor = await createExecutor();
    enclave = await start();
  });

  after(() => executor.close());

  beforeEach(() => {
    time = now;
  });

  /** A request that fits the model, unless said otherwise. */
  function requestFor(changes: Partial<Task> = {}): ReleasedRequest {
    const model = versionIdOf(version);
    const task: Task = {
      payer: operator,
      node: enclave.identity.node,
      model,
      request: requestDigest(salt, model, tensorsDigest(["x"], { x })),
      policy: 0,
      maxAmount: charge,
      deadline: now + 60,
      nonce: 1n,
      ...changes,
    };
    const taskId = taskIdOf(task, domains.taskEscrow);
    const release = { taskId, paymentDigest: id("payment"), releasedAt: now, facilitator: operator, signature: "0x" };
    return { task, release, salt, inputs: tensorsToJson({ x }) };
  }

  it("makes other keys each time", async () => {
    const other = await start();
    for (const name of ["node", "publicKey", "tlsKeyHash", "hpkeConfig", "hpkeKeyHash"] as const) {
      expect(other.identity[name], name).to.not.equal(enclave.identity[name]);
    }
    expect(computeAddress(enclave.identity.publicKey)).to.equal(enclave.identity.node);
    expect(sha256(enclave.identity.hpkeConfig)).to.equal(enclave.identity.hpkeKeyHash);
  });

  it("shows its host the public halves and nothing else", () => {
    expect(Object.keys(enclave)).to.deep.equal(["identity"]);
    expect(inspect(enclave, { depth: null, showHidden: true })).to.not.match(/PRIVATE KEY|privateKey/);
  });

  it("attests an admission of its own keys, under its own owner", async () => {
    const terms = { nonce: id("nonce"), leaseUntil: now + 3600, sequence: 7, epoch: 2n };
    const { admission, evidence, enclaveSignature } = await enclave.attestAdmission(terms);
    const { node, tlsKeyHash, hpkeKeyHash } = enclave.identity;
    expect(admission).to.include({
      node,
      tlsKeyHash,
      hpkeKeyHash,
      operator,
      payout,
      sequence: 7,
      leaseUntil: now + 3600,
    });
    expect(admission.evidenceHash).to.equal(sha256(evidence));
    const { domain, types, value } = admissionTypedData(admission, domains.nodeRegistry);
    expect(verifyTypedData(domain, types, value, enclaveSignature)).to.equal(node);
    const { measurement } = await checkEvidence(evidence, {
      nonce: terms.nonce,
      binding: identityBinding(admission, domains.nodeRegistry, verifiers),
      node,
      now,
      roots: testEvidenceRoots,
      approvedMeasurement: (stated) => stated === simulatedMeasurement(profileDigest),
    });
    expect(admission.measurement).to.equal(measurement);
  });

  it("runs a request and signs outputs, charge and payout", async () => {
    const request = requestFor();
    const { outputs, signed } = await enclave.run(request, versioned);
    expect(outputs).to.deep.equal({ y });
    expect(signed.result).to.deep.equal({
      taskId: request.release.taskId,
      response: responseDigest(salt, tensorsDigest(["y"], { y })),
      payout,
      amount: charge,
      completedAt: now,
    });
    const { domain, types, value } = resultTypedData(signed.result, domains.settlement);
    expect(verifyTypedData(domain, types, value, signed.nodeSignature)).to.equal(enclave.identity.node);
  });

  it("counts what it runs, and only that", async () => {
    const { executions } = enclave;
    await rejection(enclave.run(requestFor({ request: id("another request") }), versioned));
    enclave.checkRequest(requestFor(), versioned);
    expect(enclave.executions).to.equal(executions);
    await enclave.run(requestFor(), versioned);
    expect(enclave.executions).to.equal(executions + 1);
  });

  it("takes no other price, model or profile than the task's version names", async () => {
    const dearer = { ...version, meter: { ...version.meter, base: 0n } };
    const otherProfile = { ...version, profile: id("other profile") };
    const cases = [
      [requestFor(), { ...versioned, version: dearer }, "unknown_model"],
      [requestFor({ model: versionIdOf(otherProfile) }), { ...versioned, version: otherProfile }, "unknown_model"],
      [requestFor(), { ...versioned, model: inspectModel(addition) }, "model_bytes_mismatch"],
    ] as const;
    for (const [request, model, code] of cases) {
      expect((await rejection(enclave.run(request, model))).code).to.equal(code);
    }
  });

  it("signs nothing above the ceiling or after the deadline", async () => {
    expect((await rejection(enclave.run(requestFor({ maxAmount: charge - 1n }), versioned))).code).to.equal(
      "charge_exceeds_ceiling",
    );
    time = now + 60;
    await enclave.run(requestFor(), versioned);
    time = now + 61;
    expect((await rejection(enclave.run(requestFor(), versioned))).code).to.equal("timeout");
  });
});
