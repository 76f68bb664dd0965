import { expect } from "chai";
import { id, verifyTypedData } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { verifierInfoJson } from "#protocol/messages.ts";
import { type Result, resultJson } from "#protocol/result.ts";
import type { Task } from "#protocol/task.ts";
import {
  commitmentOf,
  joinSignatures,
  refusalTypedData,
  type SignedCommitment,
  signedCommitmentJson,
  signedVerdictJson,
  verdictTypedData,
} from "#protocol/verdict.ts";
import { approvedMeasurement } from "#test/contracts/fixture.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { verifierFixture, type VerifierFixture } from "./verifierFixture.ts";

type Verifier = Awaited<ReturnType<VerifierFixture["start"]>>;

describe("POST /tasks/{taskId}/result of a verifier", () => {
  let fixture: VerifierFixture;
  let first: Verifier;
  let second: Verifier;
  let secondDatabase: string;

  before(async function () {
    this.timeout(120_000);
    fixture = await verifierFixture();
    first = await fixture.start(0, await emptyDatabase());
    secondDatabase = await emptyDatabase();
    second = await fixture.start(1, secondDatabase);
  });
  after(() => fixture.stop());

  /** A task that the verifier has committed to. */
  async function commitTo(verifier: Verifier): Promise<{ task: Task; taskId: string; commitment: SignedCommitment }> {
    const { task, taskId, body } = await fixture.makeRequest();
    const answer = await verifier.post("/tasks", body);
    return { task, taskId, commitment: signedCommitmentJson.parse(answer.body) };
  }

  async function judge(verifier: Verifier, task: Task, taskId: string, changes: Partial<Result> = {}) {
    return verifier.post(`/tasks/${taskId}/result`, await fixture.answer(task, changes));
  }

  it("judges what it has committed to after the node's measurement has ended, and takes no new task of that node", async () => {
    const { nodeRegistry, govern, connection } = fixture;
    const snapshot = await connection.networkHelpers.takeSnapshot();
    const { task, taskId } = await commitTo(first);
    const data = nodeRegistry.interface.encodeFunctionData("setMeasurement", [approvedMeasurement, 0, 0]);
    await govern({ to: await nodeRegistry.getAddress(), data });
    const { body } = await first.post("/tasks", (await fixture.makeRequest()).body);
    expect(body).to.have.nested.property("error.code", "no_active_node");
    expect((await judge(first, task, taskId)).body).to.include({ agrees: true });
    await snapshot.restore();
  });

  it("repeats what it received in time after the release is old and the node's measurement has ended", async () => {
    const { nodeRegistry, govern, connection, runs, time } = fixture;
    const snapshot = await connection.networkHelpers.takeSnapshot();
    const received = await fixture.makeRequest();
    const unseen = await fixture.makeRequest();
    runs.failure = new OpgError("rate_limited", "Full.");
    expect((await first.post("/tasks", received.body)).status).to.equal(429);
    runs.failure = undefined;
    const data = nodeRegistry.interface.encodeFunctionData("setMeasurement", [approvedMeasurement, 0, 0]);
    await govern({ to: await nodeRegistry.getAddress(), data });
    time.now += 61;
    try {
      expect((await first.post("/tasks", received.body)).status).to.equal(200);
      expect((await first.post("/tasks", unseen.body)).status, "never received").to.equal(403);
      const { body } = await first.post("/tasks", (await fixture.makeRequest()).body);
      expect(body).to.have.nested.property("error.code", "no_active_node");
    } finally {
      time.now -= 61;
      await snapshot.restore();
    }
  });

  it("signs the agreement of each of two verifiers, which together settle the task", async () => {
    const { task, body } = await fixture.openRequest();
    const answer = await fixture.answer(task);
    const result = resultJson.parse(answer.result);
    const signatures = [];
    for (const verifier of [first, second]) {
      const commitment = signedCommitmentJson.parse((await verifier.post("/tasks", body)).body);
      const verdict = signedVerdictJson.parse((await verifier.post(`/tasks/${result.taskId}/result`, answer)).body);
      expect(verdict).to.include({ verifier: verifier.address, epoch: 1, mode: 0, agrees: true });
      expect(verdict.opening.response).to.equal(fixture.response);
      const opened = commitmentOf(verdict.opening.response, verifier.address, verdict.opening.salt);
      expect(opened).to.equal(commitment.commitment);
      signatures.push({ signer: verifier.address, signature: verdict.signature });
    }
    const certificate = { epoch: 1n, mode: 0, signatures: joinSignatures(signatures) };
    const settlement = fixture.settlement.connect(fixture.wallets.facilitator);
    await expect(settlement.settle(task, result, answer.nodeSignature, certificate)).to.emit(settlement, "TaskSettled");
  });

  it("judges nothing before its own commitment, and no result that the task's node did not sign", async () => {
    const { task, taskId, body } = await fixture.makeRequest();
    const answer = await fixture.answer(task);
    expect((await first.post(`/tasks/${taskId}/result`, answer)).body).to.have.nested.property(
      "error.code",
      "unknown_task",
    );
    await first.post("/tasks", body);
    const forged = {
      ...answer,
      nodeSignature: await fixture.signResult(resultJson.parse(answer.result), fixture.wallets.stranger),
    };
    const refused = await first.post(`/tasks/${taskId}/result`, forged);
    expect(refused.body).to.have.nested.property("error.code", "invalid_signature");
    expect(await first.store.verdict(taskId)).to.equal(undefined);
    const other = await commitTo(first);
    const misplaced = await first.post(`/tasks/${other.taskId}/result`, answer);
    expect(misplaced.body).to.have.nested.property("error.code", "invalid_body");
  });

  for (const [what, reason, changes] of [
    ["another response", "response_mismatch", () => ({ response: id("another response") })],
    ["a charge too high by one", "charge_mismatch", () => ({ amount: fixture.charge + 1n })],
    ["a charge too low by one", "charge_mismatch", () => ({ amount: fixture.charge - 1n })],
    ["another payout", "payout_mismatch", () => ({ payout: fixture.wallets.stranger.address })],
    ["completion after the deadline", "completed_late", () => ({ completedAt: fixture.time.now + 301 })],
    ["completion in the future", "completed_at_implausible", () => ({ completedAt: fixture.time.now + 61 })],
    ["completion before the release", "completed_at_implausible", () => ({ completedAt: fixture.time.now - 61 })],
  ] as const) {
    it(`refuses ${what}: ${reason}, under a signature of its own`, async () => {
      const { task, taskId } = await commitTo(first);
      const answer = await judge(first, task, taskId, changes());
      const verdict = signedVerdictJson.parse(answer.body);
      expect(verdict).to.include({ agrees: false, reason });
      const settlement = fixture.domainOf("settlement");
      const { resultHash, mode, agrees } = verdict;
      const documents = [
        [verdictTypedData({ resultHash, epoch: 1n, mode, agrees }, settlement), verdict.signature],
        [refusalTypedData(resultHash, reason, settlement), verdict.reasonSignature ?? ""],
      ] as const;
      for (const [{ domain, types, value }, signature] of documents) {
        expect(verifyTypedData(domain, types, value, signature)).to.equal(first.address);
      }
    });
  }

  it("refuses the charge that the meter gives where it is above the ceiling", async () => {
    const { task, taskId, body } = await fixture.makeRequest({ maxAmount: fixture.charge - 1n });
    await first.post("/tasks", body);
    expect((await judge(first, task, taskId)).body).to.include({ agrees: false, reason: "charge_mismatch" });
  });

  it("gives the same verdict for the same result again, at once and after a restart", async () => {
    const { task, taskId } = await commitTo(second);
    const answer = await fixture.answer(task);
    const path = `/tasks/${taskId}/result`;
    const [one, other] = await Promise.all([second.post(path, answer), second.post(path, answer)]);
    expect(one.body).to.have.property("agrees", true);
    expect(other).to.deep.equal(one);
    second = await fixture.start(1, secondDatabase);
    expect(await second.post(path, answer)).to.deep.equal(one);
  });

  it("gives no verdict on a second result of a task, certified or refused, not even when both come at once", async () => {
    const honest = await commitTo(first);
    const results = await Promise.all([{}, { amount: 1n }].map((changes) => fixture.answer(honest.task, changes)));
    const answers = await Promise.all(results.map((result) => first.post(`/tasks/${honest.taskId}/result`, result)));
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 409]);
    expect(answers.find(({ status }) => status === 409)?.body).to.have.nested.property(
      "error.code",
      "already_certified",
    );

    const refused = await commitTo(first);
    expect((await judge(first, refused.task, refused.taskId, { amount: 1n })).body).to.have.property("agrees", false);
    expect((await judge(first, refused.task, refused.taskId)).status).to.equal(409);
  });

  it("gives no verdict that it could not record", async () => {
    const recordVerdict = () => Promise.reject(new Error("the disk is full"));
    const verifier = await fixture.start(2, await emptyDatabase(), { store: { recordVerdict } });
    const { task, taskId } = await commitTo(verifier);
    const { status, body } = await judge(verifier, task, taskId);
    expect(status).to.equal(500);
    expect(body).to.have.nested.property("error.code", "internal");
    expect(JSON.stringify(body)).not.to.include("disk").and.not.to.include("signature");
  });

  it("counts its verdicts", async () => {
    const verifier = await fixture.start(2, await emptyDatabase());
    const agreed = await commitTo(verifier);
    await judge(verifier, agreed.task, agreed.taskId);
    for (const amount of [1n, 2n]) {
      const refused = await commitTo(verifier);
      await judge(verifier, refused.task, refused.taskId, { amount });
    }
    const info = verifierInfoJson.parse(await (await verifier.app.request("/info")).json());
    expect(info).to.deep.equal({ verifier: verifier.address, epoch: 1, agreed: 1, refused: 2 });
  });
});
