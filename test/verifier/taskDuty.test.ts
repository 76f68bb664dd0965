import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { id, verifyTypedData } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { commitmentTypedData, signedCommitmentJson } from "#protocol/verdict.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { floats, verifierFixture, type VerifierFixture } from "./verifierFixture.ts";

describe("POST /tasks of a verifier", () => {
  let fixture: VerifierFixture;
  let verifier: Awaited<ReturnType<VerifierFixture["start"]>>;

  before(async function () {
    this.timeout(120_000);
    fixture = await verifierFixture();
    verifier = await fixture.start(0, await emptyDatabase());
  });
  after(() => fixture.stop());

  async function expectRefused(body: unknown, status: number, code: string): Promise<void> {
    const { count } = fixture.runs;
    const answer = await verifier.post("/tasks", body);
    expect(answer.body).to.have.nested.property("error.code", code);
    expect(answer.status).to.equal(status);
    expect(fixture.runs.count).to.equal(count);
  }

  it("answers a signed commitment that does not show the response", async () => {
    const { taskId, body } = await fixture.makeRequest();
    const answer = await verifier.post("/tasks", body);
    const commitment = signedCommitmentJson.parse(answer.body);
    const { domain, types, value } = commitmentTypedData(commitment, fixture.domainOf("settlement"));
    expect(verifyTypedData(domain, types, value, commitment.signature)).to.equal(verifier.address);
    expect(commitment).to.include({ taskId, verifier: verifier.address, committedAt: fixture.time.now });
    expect(JSON.stringify(answer.body)).not.to.include(fixture.response.slice(2));
  });

  it("commits each verifier of a task to a value of its own, which no other can copy", async () => {
    const { body } = await fixture.makeRequest();
    const other = await fixture.start(1, await emptyDatabase());
    const [mine, theirs] = await Promise.all([verifier.post("/tasks", body), other.post("/tasks", body)]);
    const commitments = [mine, theirs].map((answer) => signedCommitmentJson.parse(answer.body).commitment);
    expect(new Set(commitments).size).to.equal(2);
  });

  it("runs a task once, however often it is sent, one after the other or at once", async () => {
    const { body } = await fixture.makeRequest();
    const { count } = fixture.runs;
    const first = await Promise.all([verifier.post("/tasks", body), verifier.post("/tasks", body)]);
    const again = await verifier.post("/tasks", body);
    expect(first[1]).to.deep.equal(first[0]);
    expect(again).to.deep.equal(first[0]);
    expect(fixture.runs.count).to.equal(count + 1);
  });

  it("keeps its commitment over a restart and runs nothing again", async () => {
    const databaseUrl = await emptyDatabase();
    const { body } = await fixture.makeRequest();
    const before = await (await fixture.start(1, databaseUrl)).post("/tasks", body);
    const { count } = fixture.runs;
    const after = await (await fixture.start(1, databaseUrl)).post("/tasks", body);
    expect(after).to.deep.equal(before);
    expect(fixture.runs.count).to.equal(count);
  });

  it("refuses a release of a stranger, of another's signature, or for another task", async () => {
    const { facilitator, stranger } = fixture.wallets;
    const foreign = await fixture.makeRequest({}, { signer: stranger });
    await expectRefused(foreign.body, 403, "invalid_release");
    const forged = { ...foreign.body.release, facilitator: facilitator.address };
    await expectRefused({ ...foreign.body, release: forged }, 403, "invalid_release");
    const other = await fixture.makeRequest();
    await expectRefused({ ...foreign.body, release: other.body.release }, 403, "invalid_release");
  });

  it("refuses a release from more than 60 seconds ago or ahead", async () => {
    for (const seconds of [-61, 61]) {
      const { body } = await fixture.makeRequest({}, { releasedAt: fixture.time.now + seconds });
      await expectRefused(body, 403, "invalid_release");
    }
  });

  it("takes a release from 60 seconds ago or ahead, and a task in its last second", async () => {
    for (const seconds of [-60, 60]) {
      const { body } = await fixture.makeRequest({}, { releasedAt: fixture.time.now + seconds });
      expect((await verifier.post("/tasks", body)).status).to.equal(200);
    }
    const { body } = await fixture.makeRequest({ deadline: fixture.time.now });
    expect((await verifier.post("/tasks", body)).status).to.equal(200);
  });

  it("refuses a node that is not active, a foreign mode, and a task past its deadline", async () => {
    const { stranger } = fixture.wallets;
    await expectRefused((await fixture.makeRequest({ node: stranger.address })).body, 503, "no_active_node");
    await expectRefused((await fixture.makeRequest({ policy: 1 })).body, 402, "task_terms_mismatch");
    await expectRefused((await fixture.makeRequest({ deadline: fixture.time.now - 1 })).body, 403, "invalid_release");
  });

  it("refuses a version that is not published, or not in its profile", async () => {
    await expectRefused((await fixture.makeRequest({ model: id("nothing") })).body, 404, "unknown_model");
    const { deployer } = fixture.wallets;
    const foreign = { ...fixture.version, profile: id("another profile") };
    const registry = fixture.modelRegistry.connect(deployer);
    await registry.publishVersion(foreign, "2");
    const model = await registry.versionIdOf(foreign);
    await expectRefused((await fixture.makeRequest({ model })).body, 422, "invalid_model");
  });

  it("refuses inputs and a salt that the task does not name, and tensors that the graph does not take", async () => {
    const { body } = await fixture.makeRequest();
    const otherInputs = tensorsToJson(floats("x", [1, 2, 4]));
    await expectRefused({ ...body, inputs: otherInputs }, 402, "task_request_mismatch");
    await expectRefused({ ...body, salt: id("another salt") }, 402, "task_request_mismatch");
    const { x } = body.inputs;
    await expectRefused({ ...body, inputs: { x, z: x } }, 400, "invalid_tensor");
    await expectRefused({ ...body, inputs: {} }, 400, "invalid_tensor");
  });

  it("says of what failed after the request was opened the code and no word, for the node's host reads it", async () => {
    const { taskId, body } = await fixture.makeRequest();
    const expectSilent = async (request: unknown, code: string): Promise<void> => {
      const answer = await verifier.post("/tasks", request);
      const message = "This verifier could not repeat the task; the code says why, and the rest stays here.";
      expect(answer.body).to.deep.equal({ error: { code, message, taskId } });
    };
    await expectSilent({ ...body, inputs: { ...body.inputs, "a prompt": body.inputs["x"] } }, "invalid_tensor");
    try {
      fixture.runs.failure = new OpgError("execution_failed", "indices element is out of bounds, idx=7", { idx: 7 });
      await expectSilent(body, "execution_failed");
      fixture.runs.failure = new Error("index 7 is out of bounds");
      await expectSilent(body, "internal");
    } finally {
      fixture.runs.failure = undefined;
    }
  });

  it("refuses model bytes that do not hash to the version's digest", async () => {
    const [file] = readdirSync(fixture.folder);
    const tampered = await fixture.start(2, await emptyDatabase());
    writeFileSync(join(fixture.folder, file ?? ""), "other bytes");
    const { count } = fixture.runs;
    const { status, body } = await tampered.post("/tasks", (await fixture.makeRequest()).body);
    expect(body).to.have.nested.property("error.code", "model_bytes_mismatch");
    expect(status).to.equal(502);
    expect(fixture.runs.count).to.equal(count);
  });

  it("refuses what is no released request", async () => {
    await expectRefused({ task: 1 }, 400, "invalid_body");
    const { body } = await fixture.makeRequest();
    const open = await verifier.app.request("/tasks", { method: "POST", body: JSON.stringify(body) });
    expect(open.status, "a request that is not sealed").to.equal(400);
    const response = await verifier.app.request("/tasks", { method: "POST", body: "{" });
    expect(response.status).to.equal(400);
  });
});
