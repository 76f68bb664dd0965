import { setTimeout as sleep } from "node:timers/promises";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { expect } from "chai";
import { OpgError } from "#protocol/errors.ts";
import { type InferAnswerJson, inferAnswerJson } from "#protocol/inferAnswer.ts";
import { streamCharge } from "#protocol/meter.ts";
import { streamStepJson } from "#protocol/messages.ts";
import { taskRequirementsJson } from "#protocol/payment.ts";
import { tensorBytes, tensorsFromJson, tensorsToJson } from "#protocol/tensors.ts";
import { summed, summingInputs } from "#test/execution/summingModel.ts";
import { doublingTerms } from "./doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, payFor, someRequest } from "./paidRequest.ts";

const STEPS = 4;
const inputs = summingInputs(STEPS);
const chargeOf = (steps: number): bigint =>
  streamCharge(doublingTerms.meter, tensorBytes(inputs), tensorBytes(summed(steps)), steps);

describe("POST /v1/infer as a stream", () => {
  let fixture: GatewayFixture;
  let header: string;

  beforeEach(async () => {
    fixture = await gatewayFixture();
    await fixture.publishSums();
    header = await payFor(fixture, await askOffer(fixture, request()));
  });
  afterEach(() => fixture.stop());

  const request = () => someRequest(fixture, { model: "sums", inputs: tensorsToJson(inputs) });

  /** Sends the paid request and accepts events. */
  async function stream(signal?: AbortSignal, body: unknown = request(), paid = header): Promise<Response> {
    const headers = { "content-type": "application/json", accept: "text/event-stream", "payment-signature": paid };
    const init = { method: "POST", headers, body: JSON.stringify(body), ...(signal ? { signal } : {}) };
    return fixture.app.request("/v1/infer", init);
  }

  const eachNode = (change: (node: GatewayFixture["nodes"][number]) => void): void => fixture.nodes.forEach(change);
  const executions = (): number => fixture.nodes[0].executions + fixture.nodes[1].executions;
  const ends = (): number => fixture.nodes[0].ends + fixture.nodes[1].ends;

  /** The answer to the same payment, once there is one. */
  async function answerLater(): Promise<InferAnswerJson> {
    return (await (await infer(fixture, request(), header)).json()) as InferAnswerJson;
  }

  it("offers all steps: a ceiling of what their outputs can cost, and refuses more than a task may give", async () => {
    const { accepts } = await askOffer(fixture, request());
    const { amount } = taskRequirementsJson.parse(accepts[0]);
    expect(amount).to.equal(chargeOf(STEPS));
    const tooMany = someRequest(fixture, { model: "sums", inputs: tensorsToJson(summingInputs(1_025)) });
    expect((await infer(fixture, tooMany)).status).to.equal(400);
  });

  it("passes each step on before the next is computed, and ends with the receipt", async () => {
    const gates = new Map<number, PromiseWithResolvers<undefined>>();
    const gateOf = (step: number) => {
      const gate = gates.get(step) ?? Promise.withResolvers<undefined>();
      gates.set(step, gate);
      return gate;
    };
    eachNode((node) => (node.stepGate = (step) => gateOf(step).promise));
    gateOf(1).resolve(undefined);
    const response = await stream();
    expect(response.status).to.equal(200);
    expect(response.headers.get("content-type")).to.contain("text/event-stream");
    const seen: EventSourceMessage[] = [];
    for await (const event of eventsOf(response)) {
      seen.push(event);
      gateOf(seen.length + 1).resolve(undefined);
    }
    expect(seen.map(({ event }) => event)).to.deep.equal([...Array<string>(STEPS).fill("step"), "answer"]);
    seen.slice(0, STEPS).forEach(({ data }, index) => {
      const step = streamStepJson.parse(JSON.parse(data));
      expect(step.steps).to.equal(index + 1);
      expect(step.result.amount).to.equal(chargeOf(index + 1));
      expect(tensorsFromJson(step.outputs)["scaled"]?.shape).to.deep.equal([1, 2]);
    });
    const answer = inferAnswerJson.parse(JSON.parse(seen.at(-1)?.data ?? ""));
    expect(tensorsFromJson(answer.outputs)).to.deep.equal(summed(STEPS));
    expect(answer.receipt.result.amount).to.equal(chargeOf(STEPS));
    expect(executions()).to.equal(1);
  });

  it("gives the same as one document to who accepts no events", async () => {
    const answer = inferAnswerJson.parse(await (await infer(fixture, request(), header)).json());
    expect(tensorsFromJson(answer.outputs)).to.deep.equal(summed(STEPS));
    expect(answer.receipt.result.amount).to.equal(chargeOf(STEPS));
  });

  it("ends at the step handed out when the reader leaves, and gives that again to who comes again", async () => {
    eachNode((node) => (node.stepGate = (step) => (step <= 2 ? Promise.resolve() : sleep(300))));
    const leaving = new AbortController();
    const response = await stream(leaving.signal);
    let steps = 0;
    for await (const event of eventsOf(response)) {
      expect(event.event).to.equal("step");
      if (++steps === 2) break;
    }
    leaving.abort();
    const answer = inferAnswerJson.parse(await answerLater());
    expect(tensorsFromJson(answer.outputs)).to.deep.equal(summed(2));
    expect(answer.receipt.result.amount).to.equal(chargeOf(2));
    const again = await allOf(await stream());
    expect(again.map(({ event }) => event)).to.deep.equal(["answer"]);
    expect(JSON.parse(again[0]?.data ?? "")).to.deep.equal(await answerLater());
    expect(executions()).to.equal(1);
  });

  it("ends before the first step, at no charge, when the reader leaves before it", async () => {
    const open = Promise.withResolvers<undefined>();
    eachNode((node) => (node.stepGate = () => open.promise));
    const leaving = new AbortController();
    const answering = stream(leaving.signal);
    while (executions() === 0) await sleep(10);
    leaving.abort();
    setTimeout(() => open.resolve(undefined), 100);
    await (await answering).text();
    const answer = inferAnswerJson.parse(await answerLater());
    expect(tensorsFromJson(answer.outputs)).to.deep.equal(summed(0));
    expect(answer.receipt.result.amount).to.equal(0n);
    expect(await fixture.opg.balanceOf(fixture.network.contracts.taskEscrow)).to.equal(0n);
  });

  it("has a task ended that its reader left before any node heard of it", async () => {
    const response = await stream(AbortSignal.abort());
    const [answer] = (await allOf(response)).map(({ data }) => inferAnswerJson.parse(JSON.parse(data)));
    expect(answer?.receipt.result.amount).to.equal(0n);
    expect(ends()).to.equal(1);
  });

  it("lets a second caller with the same payment wait for the end, without a second run", async () => {
    eachNode((node) => (node.stepGate = () => sleep(50)));
    const reading = [stream(), stream()].map(async (response) => allOf(await response));
    const [whole, ...events] = await Promise.all([infer(fixture, request(), header), ...reading]);
    expect(events.map((each) => each.filter(({ event }) => event === "step").length).sort()).to.deep.equal([0, STEPS]);
    const answers = events.map((each) => JSON.parse(each.at(-1)?.data ?? "") as unknown);
    expect(answers[0]).to.deep.equal(answers[1]);
    expect(answers[0]).to.deep.equal(await whole.json());
    expect(executions()).to.equal(1);
  });

  it("ends a stream that takes longer than a node may compute, and says what there is", async () => {
    fixture.gateway.settings.executionSeconds = 1;
    eachNode((node) => (node.stepGate = (step) => sleep(step * 350)));
    const events = await allOf(await stream());
    const answer = inferAnswerJson.parse(JSON.parse(events.at(-1)?.data ?? ""));
    const steps = events.length - 1;
    expect(steps).to.be.within(1, STEPS - 1);
    expect(answer.receipt.result.amount).to.equal(chargeOf(steps));
  });

  it("passes nothing on that the enclave did not sign for", async () => {
    eachNode((node) => {
      node.tamper = (step) => (step.steps === 2 ? { ...step, outputs: tensorsToJson(summed(1)) } : step);
    });
    const events = await allOf(await stream());
    expect(events.map(({ event }) => event)).to.deep.equal(["step", "error"]);
    expect(JSON.parse(events[1]?.data ?? "")).to.have.nested.property("error.code", "invalid_receipt");
    // The node settles what it handed out all the same.
    expect((await answerLater()).receipt.transaction).to.be.a("string");
  });

  it("answers with an ordinary error what goes wrong before the first step", async () => {
    fixture.facilitator.refusal = new OpgError("permit2_insufficient_balance", "Add 5 OPG.");
    expect((await stream()).status).to.equal(402);
    fixture.facilitator.refusal = undefined;
    eachNode((node) => (node.failure = new OpgError("execution_failed", "It cannot be run.")));
    const response = await stream();
    expect(response.status).to.equal(422);
    expect(await response.json()).to.have.nested.property("error.code", "execution_failed");
  });

  it("gives the answer alone where the model does not answer step by step", async () => {
    const paid = await payFor(fixture, await askOffer(fixture));
    const events = await allOf(await stream(undefined, someRequest(fixture), paid));
    expect(events.map(({ event }) => event)).to.deep.equal(["answer"]);
    expect(inferAnswerJson.parse(JSON.parse(events[0]?.data ?? "")).receipt.result.amount).to.equal(1_096n);
  });
});

async function* eventsOf(response: Response): AsyncGenerator<EventSourceMessage> {
  const found: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => found.push(event) });
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    parser.feed(chunk);
    yield* found.splice(0);
  }
}

async function allOf(response: Response): Promise<EventSourceMessage[]> {
  const events: EventSourceMessage[] = [];
  for await (const event of eventsOf(response)) events.push(event);
  return events;
}
