import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { getAddress, id, sha256 } from "ethers";
import { createExecutor, type Executor } from "#execution/executor.ts";
import { inspectModel } from "#execution/inspectModel.ts";
import { profileDigest } from "#execution/profile.ts";
import { createEnclave } from "#node/enclave/createEnclave.ts";
import type { Enclave, SignedPrefix, VersionedModel } from "#node/enclave/enclave.ts";
import { makeKeys } from "#node/enclave/makeKeys.ts";
import type { ReleasedRequest } from "#protocol/messages.ts";
import { onnxFormat, versionIdOf } from "#protocol/model.ts";
import { requestDigest } from "#protocol/request.ts";
import { responseDigest, resultTypedData } from "#protocol/result.ts";
import { isSignedBy } from "#protocol/signedDocument.ts";
import { joinSteps } from "#protocol/steps.ts";
import { type Task, taskIdOf } from "#protocol/task.ts";
import { tensorsDigest, tensorsToJson } from "#protocol/tensors.ts";
import { testPlatform } from "#test/attestation/testRoot.ts";
import { rejection } from "#test/execution/rejection.ts";
import { summed, summingInputs, summingModel } from "#test/execution/summingModel.ts";

const now = 1_900_000_000;
const [escrow, settlementAddress, registry, owner] = ["1", "2", "3", "4"].map((last) =>
  getAddress(`0x${last.padStart(40, "0")}`),
) as [string, string, string, string];
const domainAt = (verifyingContract: string) => ({ chainId: 31_337n, verifyingContract });
const domains = {
  taskEscrow: domainAt(escrow),
  settlement: domainAt(settlementAddress),
  nodeRegistry: domainAt(registry),
};
const salt = id("salt");
const STEPS = 5;
const inputs = summingInputs(STEPS);
const version = {
  modelId: id("model"),
  contentDigest: sha256(summingModel),
  storageId: id("storage"),
  format: onnxFormat,
  profile: profileDigest,
  meter: { base: 100n, perInputByte: 2n, perOutputByte: 3n },
};
const versioned: VersionedModel = { version, model: inspectModel(summingModel) };
const chargeOf = (steps: number): bigint => 100n + (8n * BigInt(STEPS) + 16n) * 2n + 8n * BigInt(steps) * 3n;

describe("an enclave's stream", () => {
  let executor: Executor;
  let enclave: Enclave;

  before(async () => {
    executor = await createExecutor();
    const clock = () => now;
    const platform = testPlatform(clock);
    const bound = { operator: owner, payout: owner, domains, verifiers: [] };
    enclave = createEnclave({ platform, executor, clock, ...bound }, await makeKeys(now));
  });
  after(() => executor.close());

  function requestFor(changes: Partial<Task> = {}): ReleasedRequest {
    const model = versionIdOf(version);
    const task: Task = {
      payer: owner,
      node: enclave.identity.node,
      model,
      request: requestDigest(salt, model, tensorsDigest(["x", "sum", "scale"], inputs)),
      policy: 0,
      maxAmount: 10_000n,
      deadline: now + 60,
      nonce: 1n,
      ...changes,
    };
    const taskId = taskIdOf(task, domains.taskEscrow);
    const release = { taskId, paymentDigest: id("payment"), releasedAt: now, facilitator: owner, signature: "0x" };
    return { task, release, salt, inputs: tensorsToJson(inputs) };
  }

  /** Every prefix; who waits before asking for the next gets one step at a time. */
  async function prefixesOf(request: ReleasedRequest, waitMs: number): Promise<SignedPrefix[]> {
    const prefixes: SignedPrefix[] = [];
    for await (const prefix of enclave.stream(request, versioned)) {
      prefixes.push(prefix);
      await sleep(waitMs);
    }
    return prefixes;
  }

  it("signs first the empty response, then each prefix as a result of its own, the last one as the whole run", async () => {
    const request = requestFor();
    const prefixes = await prefixesOf(request, 30);
    expect(prefixes.map(({ steps }) => steps)).to.deep.equal([0, 1, 2, 3, 4, 5]);
    const parts = prefixes.slice(1).map(({ outputs }) => outputs);
    for (const { steps, signed } of prefixes) {
      const outputs = joinSteps(versioned.model.outputs, parts.slice(0, steps));
      expect(outputs).to.deep.equal(summed(steps));
      expect(signed.result).to.include({
        taskId: request.release.taskId,
        response: responseDigest(salt, tensorsDigest(["scaled"], outputs)),
        amount: steps === 0 ? 0n : chargeOf(steps),
        payout: owner,
      });
      const document = resultTypedData(signed.result, domains.settlement);
      expect(isSignedBy(enclave.identity.node, document, signed.nodeSignature)).to.equal(true);
    }
    const whole = await enclave.run(request, versioned);
    expect(whole.outputs).to.deep.equal(summed(STEPS));
    expect(whole.signed).to.deep.equal(prefixes.at(-1)?.signed);
  });

  it("signs steps together that come faster than signatures do, and always the last", async () => {
    const prefixes = await prefixesOf(requestFor(), 0);
    expect(prefixes.length).to.be.below(STEPS + 2);
    expect(prefixes.at(-1)?.steps).to.equal(STEPS);
    const parts = prefixes.slice(1).map(({ outputs }) => outputs);
    expect(joinSteps(versioned.model.outputs, parts)).to.deep.equal(summed(STEPS));
  });

  it("counts as begun with its first step", async () => {
    const { executions } = enclave;
    const stream = enclave.stream(requestFor(), versioned);
    await stream.next();
    expect(enclave.executions).to.equal(executions);
    await stream.next();
    await stream.return();
    expect(enclave.executions).to.equal(executions + 1);
  });

  it("signs no prefix above the ceiling, and nothing of a request that the task does not name", async () => {
    const request = requestFor({ maxAmount: chargeOf(2) });
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { steps } of enclave.stream(request, versioned)) {
        seen.push(steps);
        await sleep(30);
      }
    })();
    expect(await rejection(reading)).to.include({ code: "charge_exceeds_ceiling" });
    expect(seen).to.deep.equal([0, 1, 2]);
    const foreign = enclave.stream(requestFor({ request: id("another") }), versioned);
    expect(await rejection(foreign.next())).to.include({ code: "task_request_mismatch" });
  });
});
