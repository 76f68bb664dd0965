import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { Wallet } from "ethers";
import {
  type Client,
  type Fetch,
  IncompleteAnswerError,
  type InferenceEvent,
  memoryState,
  OpgError,
} from "#client/index.ts";
import { streamCharge } from "#protocol/meter.ts";
import type { StreamStepJson } from "#protocol/messages.ts";
import { resultHashOf, resultJson } from "#protocol/result.ts";
import { tensorBytes } from "#protocol/tensors.ts";
import { summed, summingInputs } from "#test/execution/summingModel.ts";
import { doublingTerms, someInputs } from "#test/gateway/doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { fetchFrom, payingClient } from "./payingClient.ts";

const STEPS = 4;
const inputs = summingInputs(STEPS);
const chargeOf = (steps: number): bigint =>
  streamCharge(doublingTerms.meter, tensorBytes(inputs), tensorBytes(summed(steps)), steps);

async function refusalOf(reading: AsyncIterable<unknown>): Promise<OpgError> {
  try {
    for await (const event of reading) expect(event).to.be.an("object");
  } catch (error) {
    if (error instanceof OpgError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("inferStream", () => {
  let fixture: GatewayFixture;

  beforeEach(async () => {
    fixture = await gatewayFixture();
    await fixture.publishSums();
  });
  afterEach(() => fixture.stop());

  const wanted = { model: "sums", inputs };

  async function readAll(client: Client, options: Parameters<Client["inferStream"]>[0]): Promise<InferenceEvent[]> {
    const events: InferenceEvent[] = [];
    for await (const event of client.inferStream(options)) events.push(event);
    return events;
  }

  it("gives every step and then the checked answer", async () => {
    const events = await readAll(payingClient(fixture), wanted);
    expect(events.map(({ type }) => type)).to.deep.equal([...Array<string>(STEPS).fill("step"), "answer"]);
    const answer = events.at(-1);
    if (answer?.type !== "answer") expect.fail("the last event is the answer");
    expect(answer.outputs).to.deep.equal(summed(STEPS));
    expect(answer.receipt.result.amount).to.equal(chargeOf(STEPS));
  });

  it("gives the answer alone where the model does not answer step by step", async () => {
    const events = await readAll(payingClient(fixture), { model: "doubling", inputs: someInputs });
    expect(events.map(({ type }) => type)).to.deep.equal(["answer"]);
  });

  it("says that an answer ends too soon, and gives what there is, checked and paid for", async () => {
    fixture.gateway.settings.executionSeconds = 1;
    for (const node of fixture.nodes) node.stepGate = (step) => sleep(step * 350);
    const seen: InferenceEvent[] = [];
    const reading = (async () => {
      for await (const event of payingClient(fixture).inferStream(wanted)) seen.push(event);
    })();
    const refused = await reading.catch((error: unknown) => error);
    if (!(refused instanceof IncompleteAnswerError)) throw new Error("it was complete", { cause: refused });
    expect(seen.every(({ type }) => type === "step")).to.equal(true);
    expect(refused.values).to.include({ steps: seen.length, asked: STEPS });
    expect(seen.length).to.be.within(1, STEPS - 1);
    const { inference } = refused;
    expect([refused.code, inference.steps]).to.deep.equal(["answer_incomplete", seen.length]);
    expect(inference.outputs).to.deep.equal(summed(seen.length));
    expect(inference.receipt.result.amount).to.equal(chargeOf(seen.length));
    expect(refused.values["taskId"]).to.equal(inference.taskId);
    expect((await payingClient(fixture).trail(inference.taskId)).state).to.equal("settled");
  });

  it("counts its ceiling when it is left, and what it cost once the trail says so", async () => {
    for (const node of fixture.nodes) node.stepGate = (step) => sleep(step > 1 ? 100 : 0);
    const ceiling = chargeOf(STEPS);
    const state = memoryState();
    const client = payingClient(fixture, { state, maxPerDay: ceiling + chargeOf(1) });
    for await (const event of client.inferStream(wanted)) {
      expect(event).to.include({ type: "step", steps: 1 });
      break;
    }
    const limited = { ...wanted, inputs: summingInputs(STEPS + 1) };
    const refused = await refusalOf(client.inferStream(limited));
    expect(refused).to.include({ code: "spending_limit_reached" });
    expect(refused.values["spent"]).to.equal(ceiling);
    const [taskId] = fixture.facilitator.taskIds();
    let trail = await client.trail(taskId!);
    while (trail.state !== "settled") {
      await sleep(50);
      trail = await client.trail(taskId!);
    }
    expect(BigInt(trail.charge)).to.be.at.most(chargeOf(2));
    expect((await refusalOf(client.inferStream({ ...wanted, inputs: summingInputs(100) }))).values["spent"]).to.equal(
      BigInt(trail.charge),
    );
  });

  it("ends with the signal's reason before the first step, too, and nothing is charged", async () => {
    const open = Promise.withResolvers<undefined>();
    for (const node of fixture.nodes) node.stepGate = () => open.promise;
    const leaving = new AbortController();
    const hangingUp: Fetch = (url, init) => Promise.race([fetchFrom(fixture)(url, init), rejectedBy(init.signal)]);
    const reading = readAll(payingClient(fixture, { fetch: hangingUp }), { ...wanted, signal: leaving.signal }).catch(
      (error: unknown) => error,
    );
    while (fixture.nodes[0].executions + fixture.nodes[1].executions === 0) await sleep(10);
    leaving.abort("enough");
    expect(await reading).to.equal("enough");
    await sleep(100);
    open.resolve(undefined);
    const [taskId] = fixture.facilitator.taskIds();
    const client = payingClient(fixture);
    while ((await client.trail(taskId!)).state !== "settled") await sleep(50);
    expect((await client.trail(taskId!)).charge).to.equal("0");
  });

  for (const [what, change, part] of [
    ["outputs", (step: StreamStepJson) => ({ ...step, outputs: { scaled: tampered } }), "result.response"],
    ["an amount", (step: StreamStepJson) => ({ ...step, result: { ...step.result, amount: "1" } }), "result.amount"],
    ["the signature of another enclave", signedByAnother, "nodeSignature"],
    ["a signature", (step: StreamStepJson) => ({ ...step, nodeSignature: `0x${"11".repeat(65)}` }), "nodeSignature"],
  ] as const) {
    it(`gives no step with ${what} that the enclave did not sign`, async () => {
      const client = payingClient(fixture, { fetch: altering(fixture, (step) => change(step, fixture)) });
      const refused = await refusalOf(client.inferStream(wanted));
      expect(refused.code).to.equal("invalid_receipt");
      expect(refused.values["part"]).to.equal(part);
    });
  }
});

const tampered = { dtype: "float32" as const, shape: [1, 2], data: [0, 0] };

/** The fixture's gateway, with every step changed on its way to the client. */
function altering(fixture: GatewayFixture, change: (step: StreamStepJson) => StreamStepJson): Fetch {
  const honest = fetchFrom(fixture);
  return async (url, init) => {
    const response = await honest(url, init);
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    const text = await response.text();
    const changed = text.replaceAll(
      /event: step\ndata: (.*)\n/g,
      (_, data: string) => `event: step\ndata: ${JSON.stringify(change(JSON.parse(data) as StreamStepJson))}\n`,
    );
    return new Response(changed, { headers: response.headers });
  };
}

function signedByAnother(step: StreamStepJson, { domainOf }: GatewayFixture): StreamStepJson {
  const digest = resultHashOf(resultJson.parse(step.result), domainOf("settlement"));
  return { ...step, nodeSignature: Wallet.createRandom().signingKey.sign(digest).serialized };
}

/** As the platform's `fetch` does when its signal is aborted. */
function rejectedBy(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error)));
}
