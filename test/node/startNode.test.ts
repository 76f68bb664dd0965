import { expect } from "chai";
import { id, sha256 } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { ReleasedRequestJson } from "#protocol/messages.ts";
import { domainIn } from "#protocol/network.ts";
import { resultHashOf } from "#protocol/result.ts";
import { policies } from "#protocol/task.ts";
import { tensorsFromJson } from "#protocol/tensors.ts";
import { joinSignatures } from "#protocol/verdict.ts";
import { rejection } from "#test/execution/rejection.ts";
import { addition, negation } from "./models.ts";
import { type AdmittedNode, eventually, meter, type NodeNetwork, startNodeNetwork } from "./nodeNetwork.ts";

/** Charge of a task over `count` float32 numbers in and out. */
const chargeOf = (count: bigint): bigint => meter.base + 4n * count * (meter.perInputByte + meter.perOutputByte);

describe("startNode", () => {
  let network: NodeNetwork;
  let node: AdmittedNode;
  let versionId: string;

  before(async function () {
    this.timeout(120_000);
    network = await startNodeNetwork();
    versionId = await network.publish("negation");
    await network.upload(sha256(negation), negation);
    node = await network.admitted(await network.start("operator1"));
    await network.loaded(node, versionId);
  });

  after(async () => {
    await node.daemon.stop();
    await network.close();
  });

  afterEach(() => {
    for (const verifier of network.verifiers) verifier.tamper = (_route, answer) => answer;
    network.facilitator.failures.length = 0;
  });

  /** Has a request refused, and makes sure that nothing was run for it. */
  async function refused(body: ReleasedRequestJson): Promise<OpgError> {
    const { executions } = await node.info();
    const error = await rejection(node.answer(body));
    expect((await node.info()).executions, "executions").to.equal(executions);
    return error;
  }

  describe("a released task", () => {
    it("is run, checked and answered with a certificate that settles it", async () => {
      const { task, body } = await network.release(node.address, versionId, [1, -2.5]);
      const answer = await node.answer(body);

      const { y } = tensorsFromJson(answer.outputs);
      expect([...new Float32Array(Uint8Array.from(y!.data).buffer)]).to.deep.equal([-1, 2.5]);
      expect(answer.result.amount).to.equal(chargeOf(2n));
      expect(answer.result.payout).to.equal(network.payout);
      expect(answer.verdicts).to.have.length(3);

      const certificate = network.facilitator.certificates.at(-1)!;
      expect(certificate.nodeSignature).to.equal(answer.nodeSignature);
      const signatures = joinSignatures(
        certificate.verdicts.map(({ verifier, signature }) => ({ signer: verifier, signature })),
      );
      const { settlement, taskEscrow } = network.fixture;
      const settling = { epoch: 1n, mode: policies.reExecution, signatures };
      await settlement.settle(task, certificate.result, certificate.nodeSignature, settling);
      expect(await taskEscrow.earnings(network.payout)).to.equal((chargeOf(2n) * 85n) / 100n);
    });

    it("shows no verifier the result before that verifier has committed", async () => {
      const [slow] = network.verifiers;
      slow!.calls.length = 0;
      const { body } = await network.release(node.address, versionId, [3]);
      await node.answer(body);
      await eventually(async () => slow!.calls.length === 3 || undefined);
      expect(slow!.calls).to.deep.equal(["/tasks", "/tasks/:taskId/result", "/tasks/:taskId/certificate"]);
      const witnessed = slow!.witnessed.at(-1)!;
      expect(witnessed.verdicts).to.have.length(3);
      expect(witnessed.commitments).to.have.length(3);
      const settlement = domainIn(network.network, "settlement");
      for (const verdict of witnessed.verdicts) {
        expect(verdict.resultHash).to.equal(resultHashOf(witnessed.result, settlement));
      }
    });

    it("is run once, however often the same request comes", async () => {
      const { body } = await network.release(node.address, versionId, [4]);
      const { executions } = await node.info();
      const open = Promise.withResolvers<undefined>();
      network.facilitator.gate = open.promise;
      const first = node.answer(body);
      await eventually(async () => (await node.info()).executions > executions || undefined);
      const joined = node.answer(body);
      open.resolve(undefined);
      const answer = await first;
      expect(await joined).to.deep.equal(answer);
      expect(await node.answer(body)).to.deep.equal(answer);
      expect((await node.info()).executions).to.equal(executions + 1);
    });

    it("keeps its answer from those who do not know the request", async () => {
      const { body } = await network.release(node.address, versionId, [5]);
      await node.answer(body);
      const { body: other } = await network.release(node.address, versionId, [6]);
      expect((await refused({ ...body, inputs: other.inputs })).code).to.equal("task_request_mismatch");
      expect((await refused({ ...body, salt: id("other salt") })).code).to.equal("task_request_mismatch");
    });

    it("keeps its certificate until the facilitator takes it", async () => {
      network.facilitator.failures.push(
        new OpgError("chain_unavailable", "later"),
        new OpgError("internal", "later still"),
      );
      const { body } = await network.release(node.address, versionId, [7]);
      expect((await node.answer(body)).verdicts).to.have.length(3);
      expect(network.facilitator.failures).to.deep.equal([]);
    });

    it("gives no outputs away when the facilitator refuses the certificate", async () => {
      network.facilitator.failures.push(new OpgError("unknown_task", "Nobody paid for this."));
      const { body } = await network.release(node.address, versionId, [8]);
      expect((await rejection(node.answer(body))).code).to.equal("unknown_task");
      expect((await rejection(node.answer(body))).code).to.equal("unknown_task");
    });
  });

  describe("verifiers", () => {
    it("that are down are missing, and stop nobody", async () => {
      const [down] = network.verifiers;
      await down!.stop();
      try {
        const { body } = await network.release(node.address, versionId, [9]);
        const { verdicts } = await node.answer(body);
        expect(verdicts.map(({ verifier }) => verifier)).to.not.include(down!.address);
        expect(verdicts).to.have.length(2);
      } finally {
        await down!.start();
      }
    });

    it("that were started anew get the request sealed to their new key", async () => {
      const [restarted] = network.verifiers;
      await restarted!.stop();
      await restarted!.start();
      const { body } = await network.release(node.address, versionId, [9.5]);
      const { verdicts } = await node.answer(body);
      expect(verdicts.map(({ verifier }) => verifier)).to.include(restarted!.address);
    });

    it("whose words do not hold do not count", async () => {
      const [first, second] = network.verifiers;
      first!.tamper = (route, answer) => (route === "/tasks" ? { ...answer, commitment: id("other") } : answer);
      second!.tamper = (route, answer) =>
        route === "/tasks/:taskId/result" ? { ...answer, opening: { response: id("a"), salt: id("b") } } : answer;
      const { body } = await network.release(node.address, versionId, [10]);
      const error = await rejection(node.answer(body));
      expect(error.code).to.equal("certificate_incomplete");
      expect(error.values).to.include({ verdicts: 1, refusals: 0, asked: 3 });
    });

    it("refuse, each by itself, what an altered executor gives, and the outputs stay", async function () {
      this.timeout(60_000);
      const dishonest = await network.admitted(await network.start("operator2", { OPG_TEST_ALTERING: "1" }));
      try {
        await network.loaded(dishonest, versionId);
        const certificates = network.facilitator.certificates.length;
        const { body } = await network.release(dishonest.address, versionId, [11]);
        const error = await rejection(dishonest.answer(body));
        expect(error.code).to.equal("result_refused");
        expect(error.values["reasons"]).to.equal("response_mismatch, response_mismatch, response_mismatch");
        expect(network.facilitator.certificates).to.have.length(certificates);
      } finally {
        await dishonest.daemon.stop();
      }
    });
  });

  describe("without a release", () => {
    it("of a registered facilitator nothing is run", async () => {
      const { task, body } = await network.release(node.address, versionId, [12]);
      const { wallets } = network.fixture;
      const others = {
        "signed by another": {
          ...body.release,
          signature: (await network.releaseOf(task, {}, wallets.stranger)).signature,
        },
        "of nobody registered": await network.releaseOf(task, {}, wallets.stranger),
        "of another task": await network.releaseOf({ ...task, nonce: task.nonce + 1n }),
        "with other terms": { ...body.release, releasedAt: body.release.releasedAt + 1 },
        "without signature": { ...body.release, signature: "0x" },
      };
      for (const [name, release] of Object.entries(others)) {
        expect((await refused({ ...body, release })).code, name).to.equal("invalid_release");
      }
    });

    it("made within the last minute nothing is run", async () => {
      const { task, body } = await network.release(node.address, versionId, [13]);
      for (const seconds of [-62, 62]) {
        const release = await network.releaseOf(task, { releasedAt: network.clock() + seconds });
        expect((await refused({ ...body, release })).code, `${seconds} s`).to.equal("invalid_release");
      }
    });
  });

  describe("nothing is run for a task", () => {
    it("of another node", async () => {
      const { body } = await network.release(network.fixture.wallets.node.address, versionId, [14]);
      expect((await refused(body)).code).to.equal("invalid_release");
    });

    it("under another policy", async () => {
      const { body } = await network.release(node.address, versionId, [15], { policy: policies.enclave });
      expect((await refused(body)).code).to.equal("task_terms_mismatch");
    });

    it("of a version that nobody published", async () => {
      const { body } = await network.release(node.address, id("nothing"), [16]);
      expect((await refused(body)).code).to.equal("unknown_model");
    });

    it("of a version of a publisher whom its operator does not name", async () => {
      const unwanted = await network.publish("unwanted", {}, network.fixture.wallets.operator);
      const { body } = await network.release(node.address, unwanted, [11]);
      expect((await refused(body)).code).to.equal("unknown_model");
    });

    it("whose inputs do not fit the model", async () => {
      const { body } = await network.release(node.address, versionId, [17]);
      const wrong = { x: { ...body.inputs["x"]!, dtype: "int32" as const } };
      expect((await refused({ ...body, inputs: wrong })).code).to.equal("invalid_tensor");
    });

    it("whose deadline leaves no time", async () => {
      const { task, body } = await network.release(node.address, versionId, [18]);
      const secondsOn = task.deadline - 2 - network.clock();
      network.time.leadSeconds += secondsOn;
      try {
        const release = await network.releaseOf(task);
        expect((await refused({ ...body, release })).code).to.equal("timeout");
      } finally {
        network.time.leadSeconds -= secondsOn;
      }
    });
  });

  it("refuses to sign a charge above the task's ceiling", async () => {
    const { body } = await network.release(node.address, versionId, [19], { maxAmount: chargeOf(1n) - 1n });
    const error = await rejection(node.answer(body));
    expect(error.code).to.equal("charge_exceeds_ceiling");
    expect(error.values).to.include({ charge: chargeOf(1n).toString(), maxAmount: (chargeOf(1n) - 1n).toString() });
    const exact = await network.release(node.address, versionId, [19], { maxAmount: chargeOf(1n) });
    expect((await node.answer(exact.body)).result.amount).to.equal(chargeOf(1n));
  });

  it("does not serve a version whose bytes are not what the version names, and does once they are", async () => {
    const tampered = Uint8Array.from(addition);
    tampered[tampered.length - 1] = (tampered[tampered.length - 1] ?? 0) ^ 1;
    const other = await network.publish("other", { contentDigest: sha256(addition) });
    await network.storeAtHub(sha256(addition), tampered);
    const { body } = await network.release(node.address, other, [20]);
    const error = await eventually(async () => {
      const { code } = await rejection(node.answer(body));
      return code === "node_unavailable" || code === "unknown_blob" ? undefined : code;
    });
    expect(error).to.equal("model_bytes_mismatch");
    expect((await node.info()).versions).to.not.include(other);
    await network.upload(sha256(addition), addition);
    await network.loaded(node, other);
  });

  it("does not serve a version whose file is empty", async () => {
    const nothing = new Uint8Array();
    const empty = await network.publish("empty", { contentDigest: sha256(nothing) });
    await network.storeAtHub(sha256(nothing), nothing);
    const { body } = await network.release(node.address, empty, [21]);
    const error = await eventually(async () => {
      const { code } = await rejection(node.answer(body));
      return code === "node_unavailable" || code === "unknown_blob" ? undefined : code;
    });
    expect(error).to.equal("invalid_model");
    expect((await node.info()).versions).to.not.include(empty);
  });

  it("answers bad bodies with a typed error", async () => {
    const error = await rejection(node.answer({ task: {} } as ReleasedRequestJson));
    expect(error.code).to.equal("invalid_body");
  });

  it("is registered with the keys that it serves under", async () => {
    const registered = await network.fixture.nodeRegistry.nodes(node.address);
    expect(registered.tlsKeyHash).to.equal(node.tlsKeyHash);
    expect(registered.payout).to.equal(network.payout);
    expect(registered.sequence).to.equal(1n);
  });
});
