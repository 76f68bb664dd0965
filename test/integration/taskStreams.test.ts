import { expect } from "chai";
import { Agent, request } from "undici";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import type { InferenceEvent } from "#client/index.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { publishVersion } from "#hub/publishVersion.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { answeredTaskJson, STREAM_SECRET } from "#protocol/messages.ts";
import { streamCharge } from "#protocol/meter.ts";
import { domainIn } from "#protocol/network.ts";
import { authorizationToJson, paymentTypedData } from "#protocol/payment.ts";
import { responseDigest } from "#protocol/result.ts";
import type { Trail } from "#protocol/settlement.ts";
import { stepsOf } from "#protocol/steps.ts";
import { taskIdOf, taskToJson } from "#protocol/task.ts";
import { tensorBytes, tensorsDigest, tensorsFromJson, tensorsToJson } from "#protocol/tensors.ts";
import { awaitNodes } from "#scripts/network/readiness.ts";
import { summed, summingInputs, summingModel } from "#test/execution/summingModel.ts";
import { until } from "./chainControl.ts";
import { type Journey, leastDaemons, startJourney } from "./journeyNetwork.ts";
import { askOffer, type Offered, signedHeader } from "./rawPayment.ts";
import { stockClient, stockHeader } from "./stockClient.ts";

const STEPS = 8;
const STEP_SECONDS = 0.4;
const meter = { base: 7n * 10n ** 15n, perInputByte: 10n ** 10n, perOutputByte: 3n * 10n ** 11n };
const inputs = summingInputs(STEPS);

/** What so many steps cost, by the meter. */
const chargeOf = (steps: number): bigint => streamCharge(meter, tensorBytes(inputs), tensorBytes(summed(steps)), steps);

describe("a task that is streamed", function () {
  this.timeout(120_000);
  let journey: Journey;
  let model: string;
  const agent = new Agent({ connect: { rejectUnauthorized: false } });

  before(async () => {
    journey = await startJourney({
      daemons: leastDaemons,
      programs: { "node-1": "test/integration/programs/slowNode.ts" },
      env: { "node-1": { OPG_TEST_RUN_SECONDS: String(STEP_SECONDS) } },
    });
    const { local, provider } = journey;
    const { contracts, deploymentBlock, hub } = local.network;
    const modelRegistry = new ModelRegistryAdapter(contracts.modelRegistry, provider, deploymentBlock);
    const publisher = localAccount("deployer").connect(provider);
    const version = { bytes: summingModel, name: "sums", label: "1", meter };
    model = await publishVersion(version, { modelRegistry, publisher, hubUrl: hub });
    await awaitNodes(local, model, 1);
  });
  after(async () => {
    await agent.close();
    await journey.stop();
  });

  const balance = (): Promise<bigint> => journey.opg.balanceOf(journey.payer.address);

  /** Checks that a task ended after so many steps: charged for these, its response theirs, and the rest given back. */
  function expectCharged(trail: Trail, steps: number, salt: string): void {
    expect(trail.state).to.equal("settled");
    expect(BigInt(trail.charge)).to.equal(chargeOf(steps));
    expect(BigInt(trail.refund)).to.equal(BigInt(trail.maxAmount) - chargeOf(steps));
    expect(trail.response).to.equal(responseDigest(salt, tensorsDigest(["scaled"], summed(steps))));
  }

  async function pay(offered: Offered, signal?: AbortSignal): Promise<Response> {
    const headers = {
      "content-type": "application/json",
      accept: "text/event-stream",
      "payment-signature": await signedHeader(offered, journey.payer),
    };
    const body = JSON.stringify(offered.body);
    const url = `${journey.local.network.gateway}/v1/infer`;
    return fetch(url, { method: "POST", headers, body, ...(signal ? { signal } : {}) });
  }

  /** What the gateway would send to the node, with the facilitator's release. */
  const releasedBody = async ({ requirements, authorization, task, body }: Offered) => {
    const { network } = journey.local;
    const { domain, types, value } = paymentTypedData(authorization, BigInt(network.chainId));
    const signature = await journey.payer.signTypedData(domain, types, value);
    const { salt, ...extra } = requirements.extra;
    const accepted = { ...requirements, extra };
    const payload = { signature, permit2Authorization: authorizationToJson(authorization) };
    const paymentPayload = { x402Version: 2, accepted, payload };
    const answer = await fetch(`${network.facilitators[0]?.url}/tasks`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ x402Version: 2, paymentPayload, paymentRequirements: accepted }),
    });
    const { release } = (await answer.json()) as { release: unknown };
    return JSON.stringify({ task: taskToJson(task), release, salt, inputs: body.inputs });
  };
  const atNode = (path: string, body: string, headers: Record<string, string>) =>
    request(`${journey.local.daemons.get("node-1")?.url ?? ""}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
      dispatcher: agent,
    });

  const offerFor = () => askOffer(journey, { model, inputs: tensorsToJson(inputs) });
  const taskIdIn = ({ task }: Offered) => taskIdOf(task, domainIn(journey.local.network, "taskEscrow"));

  it("gives each step as the enclave signs it, and at the end the checked answer, which is settled whole", async () => {
    const before = await balance();
    const events: (InferenceEvent & { atMs: number })[] = [];
    for await (const event of journey.client.inferStream({ model, inputs })) {
      events.push({ ...event, atMs: performance.now() });
    }
    const steps = events.filter(({ type }) => type === "step");
    expect(steps).to.have.lengthOf(STEPS);
    expect(steps.map((event) => event.outputs["scaled"]?.shape)).to.deep.equal(Array(STEPS).fill([1, 2]));
    expect((steps.at(-1)?.atMs ?? 0) - (steps[0]?.atMs ?? 0)).to.be.above((STEPS - 2) * STEP_SECONDS * 1000);
    const answer = events.at(-1);
    if (answer?.type !== "answer") expect.fail("the last event is the answer");
    expect(answer.outputs).to.deep.equal(summed(STEPS));
    expect(answer.receipt.result.amount).to.equal(chargeOf(STEPS));
    const trail = await journey.ended(answer.taskId);
    expect(BigInt(trail.charge)).to.equal(chargeOf(STEPS));
    expect(await balance()).to.equal(before - chargeOf(STEPS));
  });

  it("is charged for the steps handed out, to the unit, when the payer hangs up half way", async () => {
    const before = await balance();
    const offered = await offerFor();
    const hangingUp = new AbortController();
    const response = await pay(offered, hangingUp.signal);
    expect(response.headers.get("content-type")).to.contain("text/event-stream");
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.split("event: step").length > 3) break;
    }
    hangingUp.abort();
    const received = text.split("event: step").length - 1;
    const trail = await journey.ended(taskIdIn(offered));
    const steps = [received, received + 1].find((count) => chargeOf(count) === BigInt(trail.charge)) ?? -1;
    expect(steps).to.be.within(received, STEPS - 1);
    expectCharged(trail, steps, offered.body.salt);
    expect(await balance()).to.equal(before - chargeOf(steps));
    // Who comes again with the payment gets what was paid for, whole or as events, and nothing runs again.
    const again = await pay(offered);
    const events = await again.text();
    expect(events).to.match(/^event: answer\ndata: /);
    const answer = JSON.parse(events.slice(events.indexOf("{"))) as { outputs: { scaled: { shape: number[] } } };
    expect(answer.outputs.scaled.shape).to.deep.equal([steps, 2]);
  });

  it("costs nothing when the payer hangs up before the first step, and the money is free at once", async () => {
    const before = await balance();
    const offered = await offerFor();
    const hangingUp = new AbortController();
    const paying = pay(offered, hangingUp.signal).catch((error: unknown) => error);
    const taskId = taskIdIn(offered);
    await until(async () => (await journey.taskEscrow.lockOf(taskId)).status === "open");
    hangingUp.abort();
    await paying;
    const trail = await journey.ended(taskId);
    expectCharged(trail, 0, offered.body.salt);
    expect(BigInt(trail.charge)).to.equal(0n);
    expect(await balance()).to.equal(before);
    const latest = await journey.provider.getBlock("latest");
    expect(latest?.timestamp).to.be.below(offered.task.deadline);
  });

  it("costs nothing either where nothing was locked before, and leaves no exposure", async () => {
    const before = await balance();
    const { network } = journey.local;
    const url = `${network.gateway}/v1/infer`;
    const body = JSON.stringify({ model, inputs: tensorsToJson(inputs) });
    const headers = { "content-type": "application/json" };
    const header = await stockHeader(stockClient(network, journey.payer), url, { method: "POST", headers, body });
    const paid = { ...headers, "payment-signature": header };
    const hangingUp = AbortSignal.timeout(STEP_SECONDS * 500);
    const accepting = { ...paid, accept: "text/event-stream" };
    await fetch(url, { method: "POST", headers: accepting, body, signal: hangingUp }).catch(() => undefined);
    const answer = inferAnswerJson.parse(await (await fetch(url, { method: "POST", headers: paid, body })).json());
    expect(stepsOf(tensorsFromJson(answer.outputs))).to.equal(0);
    const trail = await journey.ended(answer.taskId);
    expect(trail.state).to.equal("settled");
    expect(trail.charge).to.equal("0");
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["capture"]);
    expect(await balance()).to.equal(before);
    await until(async () => {
      const metrics = await (await fetch(`${network.facilitators[0]?.url}/metrics`)).text();
      return !/^opg_exposure_outstanding_atomic\{.*\} [1-9]/m.test(metrics);
    });
  });

  it("is ended by nobody but who began it, however well the request is known", async () => {
    const offered = await offerFor();
    const body = await releasedBody(offered);
    const events = await atNode("tasks", body, { accept: "text/event-stream", [STREAM_SECRET]: "whoever began it" });
    let text = "";
    const reading = (async () => {
      for await (const chunk of events.body) text += String(chunk);
    })();
    await until(() => Promise.resolve(text.includes("event: step")));
    const path = `tasks/${taskIdIn(offered)}/end`;
    const others = [{}, { [STREAM_SECRET]: "a guess" }].map((headers) => atNode(path, body, headers));
    for (const answering of others) {
      const { outputs } = answeredTaskJson.parse(await (await answering).body.json());
      expect(stepsOf(tensorsFromJson(outputs))).to.equal(STEPS);
    }
    await reading;
    expect(text.split("event: step")).to.have.lengthOf(STEPS + 1);
    expectCharged(await journey.ended(taskIdIn(offered)), STEPS, offered.body.salt);
  });
});
