import { expect } from "chai";
import { Hono } from "hono";
import { refusalJson, type RefusalMessage, type TaskRecordJson } from "#protocol/messages.ts";
import { resultToJson } from "#protocol/result.ts";
import { type HttpServer, startHttpServer } from "#service/httpServer.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { verifierFixture, type VerifierFixture } from "./verifierFixture.ts";

describe("RefusalDelivery", () => {
  let fixture: VerifierFixture;
  let facilitator: HttpServer;
  let isDown = false;
  let received: RefusalMessage[] = [];

  before(async function () {
    this.timeout(120_000);
    fixture = await verifierFixture();
    const app = new Hono();
    app.post("/tasks/:taskId/refusals", async (context) => {
      if (isDown) return context.json({ error: { code: "chain_unavailable", message: "later" } }, 503);
      const refusal = refusalJson.parse(await context.req.json());
      received.push(refusal);
      return context.json(recordOf(refusal));
    });
    facilitator = await startHttpServer(app, { host: "127.0.0.1", port: 0 });
  });
  beforeEach(() => {
    isDown = false;
    received = [];
  });
  after(async () => {
    await facilitator.close(1);
    await fixture.stop();
  });

  function recordOf({ result }: RefusalMessage): TaskRecordJson {
    const { address } = fixture.wallets.facilitator;
    const task = knownTasks.get(result.taskId);
    if (!task) throw new Error("the refusal is about no task of this test");
    const nothing = { claimedBlock: 0, release: null, verdicts: [], transactions: [] };
    return {
      taskId: result.taskId,
      state: "released",
      task,
      facilitator: address,
      result: resultToJson(result),
      ...nothing,
    };
  }

  const knownTasks = new Map<string, TaskRecordJson["task"]>();

  function start(databaseUrl: string) {
    const facilitators = fixture.network.facilitators.map((known) => ({ ...known, url: facilitator.url }));
    return fixture.start(0, databaseUrl, { network: { facilitators } });
  }

  /** A task whose result the verifier refuses. */
  async function refuseOne(verifier: Awaited<ReturnType<typeof start>>): Promise<string> {
    const { task, taskId, body } = await fixture.makeRequest();
    knownTasks.set(taskId, body.task);
    await verifier.post("/tasks", body);
    const answer = await verifier.post(`/tasks/${taskId}/result`, await fixture.answer(task, { amount: 1n }));
    expect(answer.body).to.include({ agrees: false, reason: "charge_mismatch" });
    return taskId;
  }

  it("brings a refusal with its reason to the facilitator of the task, once", async () => {
    const verifier = await start(await emptyDatabase());
    const taskId = await refuseOne(verifier);
    await verifier.refusals.deliverDue();
    await verifier.refusals.deliverDue();
    expect(received.map(({ result }) => result.taskId)).to.deep.equal([taskId]);
    expect(received[0]?.verdict).to.include({ verifier: verifier.address, agrees: false, reason: "charge_mismatch" });
  });

  it("does not bring agreement", async () => {
    const verifier = await start(await emptyDatabase());
    const { task, taskId, body } = await fixture.makeRequest();
    await verifier.post("/tasks", body);
    const answer = await verifier.post(`/tasks/${taskId}/result`, await fixture.answer(task));
    expect(answer.body).to.have.property("agrees", true);
    await verifier.refusals.deliverDue();
    expect(received).to.deep.equal([]);
  });

  it("tries again, after 1, 2 and 4 seconds, while the facilitator does not take it", async () => {
    const verifier = await start(await emptyDatabase());
    await refuseOne(verifier);
    const begin = fixture.time.now;
    isDown = true;
    for (const seconds of [0, 1, 3]) {
      fixture.time.now = begin + seconds;
      await verifier.refusals.deliverDue();
    }
    isDown = false;
    fixture.time.now = begin + 6;
    await verifier.refusals.deliverDue();
    expect(received).to.have.length(0);
    fixture.time.now = begin + 7;
    await verifier.refusals.deliverDue();
    expect(received).to.have.length(1);
  });

  it("brings it after a restart", async () => {
    const databaseUrl = await emptyDatabase();
    const before = await start(databaseUrl);
    const taskId = await refuseOne(before);
    isDown = true;
    await before.refusals.deliverDue();
    isDown = false;
    const after = await start(databaseUrl);
    await after.refusals.deliverDue();
    expect(received.map(({ result }) => result.taskId)).to.deep.equal([taskId]);
  });

  it("gives up when the task can no longer be refused", async () => {
    const verifier = await start(await emptyDatabase());
    await refuseOne(verifier);
    const { now } = fixture.time;
    fixture.time.now = now + 300 + fixture.parameters.settleWindowSeconds;
    await verifier.refusals.deliverDue();
    fixture.time.now = now;
    expect(received).to.deep.equal([]);
  });
});
