import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodePaymentSignatureHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, VerifyResponse } from "@x402/core/types";
import { expect } from "chai";
import type { Wallet } from "ethers";
import { Agent, request } from "undici";
import { z } from "zod";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { nodeInfoJson, releasedTaskJson } from "#protocol/messages.ts";
import { modelListingJson } from "#protocol/model.ts";
import { caip2 } from "#protocol/network.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import { until } from "./chainControl.ts";
import { type Journey, leastDaemons, startJourney } from "./journeyNetwork.ts";
import { newPayer } from "./newPayer.ts";
import { codeOf } from "./rawPayment.ts";
import { stockClient, stockHeader } from "./stockClient.ts";

const OPG = 10n ** 18n;
/** How many duplicates are on the wire to one replica at a time, and how long the last may wait for its turn. */
const CONNECTIONS = 100;
const FLOOD_MS = 150_000;

const models = z.object({ models: z.array(modelListingJson) });

describe("one payment at several replicas", function () {
  this.timeout(180_000);
  let journey: Journey;
  let payer: Wallet;
  let gateways: [string, string];
  let facilitators: [string, string];
  let body: string;
  const agent = new Agent({ connections: CONNECTIONS, connect: { rejectUnauthorized: false } });

  const initOf = (content: string, header?: string): RequestInit => ({
    method: "POST",
    headers: { "content-type": "application/json", ...(header ? { "payment-signature": header } : {}) },
    body: content,
  });
  /** A payment by x402's own client for the usual request. */
  const newHeader = (): Promise<string> =>
    stockHeader(stockClient(journey.local.network, payer), `${gateways[0]}/v1/infer`, initOf(body));
  const send = async (gateway: string, header: string, content = body) => {
    const response = await fetch(`${gateway}/v1/infer`, initOf(content, header));
    return { status: response.status, content: await response.json() };
  };
  /** Runs that the one node has begun. */
  const executions = async (): Promise<number> => {
    const answer = await request(`${journey.local.daemons.get("node-1")?.url ?? ""}/info`, { dispatcher: agent });
    return nodeInfoJson.parse(await answer.body.json()).executions;
  };
  /** The same body to both facilitators, half of `count` each, all at once. */
  const flood = (path: string, content: unknown, count: number) => {
    const headers = { "content-type": "application/json" };
    const options = { method: "POST", headers, body: JSON.stringify(content), dispatcher: agent } as const;
    const sending = Array.from({ length: count }, async (_, index) => {
      const answer = await request(`${facilitators[index % 2]}${path}`, { ...options, headersTimeout: FLOOD_MS });
      return { status: answer.statusCode, text: await answer.body.text() };
    });
    return Promise.all(sending);
  };

  before(async () => {
    journey = await startJourney({ daemons: leastDaemons });
    const { local } = journey;
    const facilitator = await local.start("facilitator-2");
    const [first] = local.network.facilitators;
    if (!first) throw new Error("the network names no facilitator");
    facilitators = [first.url, facilitator.url];
    const file = join(local.places.folder, "network-2.json");
    const other = { ...local.network, facilitators: [{ ...first, url: facilitator.url }] };
    await writeFile(file, JSON.stringify(other));
    const gateway = await local.start("gateway-2", { env: { OPG_NETWORK: file } });
    gateways = [local.network.gateway, gateway.url];
    await until(async () => {
      const listed = models.parse(await (await fetch(`${gateway.url}/v1/models`)).json());
      return listed.models.some(({ nodes }) => nodes === 1);
    });
    payer = await newPayer(journey, OPG);
    body = JSON.stringify({ model: journey.versionId, inputs: tensorsToJson(journey.inputs) });
  });
  after(async () => {
    await agent.close();
    await journey.stop();
  });

  it("buys one execution and one answer, sent to both gateways at once, and again after they were killed", async () => {
    const { local, opg } = journey;
    const [balance, runs] = [await opg.balanceOf(payer.address), await executions()];
    const header = await newHeader();
    const answers = await Promise.all([0, 1, 0, 1, 0].map((index) => send(gateways[index] ?? "", header)));
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200, 200, 200]);
    const [first] = answers.map(({ content }) => inferAnswerJson.parse(content));
    for (const { content } of answers) expect(content).to.deep.equal(answers[0]?.content);
    const trail = await journey.ended(first?.taskId ?? "");

    for (const name of ["gateway", "facilitator", "facilitator-2"] as const) await local.daemons.get(name)?.kill();
    await Promise.all([local.start("gateway"), local.start("facilitator")]);
    expect(await send(gateways[0], header)).to.deep.equal(answers[0]);
    const restarted = await local.start("facilitator-2", { env: { OPG_PORT: new URL(facilitators[1]).port } });
    expect(restarted.url).to.equal(facilitators[1]);
    expect(await send(gateways[1], header)).to.deep.equal(answers[0]);

    expect(await executions()).to.equal(runs + 1);
    expect(await opg.balanceOf(payer.address)).to.equal(balance - BigInt(trail.charge));
  });

  it("does not pay for another body at the other gateway", async () => {
    const header = await newHeader();
    const { inputs } = JSON.parse(body) as { inputs: { x: { data: string } } };
    const changed = Buffer.from(inputs.x.data, "base64").fill(0).toString("base64");
    const other = JSON.stringify({ model: journey.versionId, inputs: { x: { ...inputs.x, data: changed } } });
    const runs = await executions();
    const early = await send(gateways[1], header, other);
    expect([early.status, codeOf(early.content)]).to.deep.equal([402, "task_request_mismatch"]);
    expect(await executions()).to.equal(runs);
    expect((await send(gateways[0], header)).status).to.equal(200);
    const late = await send(gateways[1], header, other);
    expect([late.status, codeOf(late.content)]).to.deep.equal([402, "task_request_mismatch"]);
    expect(await executions()).to.equal(runs + 1);
  });

  it("gives the same answer to a new payment with the same payment-identifier, and takes no more money", async () => {
    const { opg } = journey;
    const identify = (header: string): string => {
      const payload = decodePaymentSignatureHeader(header);
      const info = { required: false, id: "the-same-purchase-twice" };
      return encodePaymentSignatureHeader({ ...payload, extensions: { "payment-identifier": { info } } });
    };
    const runs = await executions();
    const first = await send(gateways[0], identify(await newHeader()));
    expect(first.status).to.equal(200);
    const { taskId } = inferAnswerJson.parse(first.content);
    await journey.ended(taskId);
    const balance = await opg.balanceOf(payer.address);
    const second = await send(gateways[1], identify(await newHeader()));
    expect(second).to.deep.equal(first);
    expect(await executions()).to.equal(runs + 1);
    expect(await opg.balanceOf(payer.address)).to.equal(balance);
  });

  it("is released once in 10,000 concurrent duplicates at two facilitators", async () => {
    const paymentPayload = decodePaymentSignatureHeader(await newHeader());
    const paymentRequirements = paymentPayload.accepted;
    const task = await proposedTask(paymentPayload);
    const answers = await flood("/tasks", { x402Version: 2, paymentPayload, paymentRequirements, task }, 10_000);
    const [first] = answers;
    expect(releasedTaskJson.parse(JSON.parse(first?.text ?? "")).transactions).to.deep.equal([]);
    expect(answers.filter(({ status, text }) => status !== 200 || text !== first?.text)).to.deep.equal([]);
  });

  it("is valid once in 1,000 concurrent verifications at two facilitators", async () => {
    const accepted = merchantRequirements();
    const client = stockClient(journey.local.network, payer);
    const paymentPayload = await client.createPaymentPayload({
      x402Version: 2,
      resource: { url: "http://merchant.test/", description: "", mimeType: "" },
      accepts: [accepted],
    });
    const body = { x402Version: 2, paymentPayload, paymentRequirements: accepted };
    const answers = (await flood("/verify", body, 1_000)).map(({ text }) => JSON.parse(text) as VerifyResponse);
    expect(answers.filter(({ isValid }) => isValid)).to.have.length(1);
    const reasons = answers.flatMap(({ invalidReason }) => invalidReason ?? []);
    expect(reasons).to.deep.equal(Array(999).fill("permit2_invalid_nonce"));
  });

  /** A task as a gateway would propose it for a payment. */
  async function proposedTask({ payload }: PaymentPayload): Promise<unknown> {
    const { from, nonce, permitted, deadline } = (
      payload as {
        permit2Authorization: { from: string; nonce: string; permitted: { amount: string }; deadline: string };
      }
    ).permit2Authorization;
    const answer = await request(`${journey.local.daemons.get("node-1")?.url ?? ""}/info`, { dispatcher: agent });
    return {
      payer: from,
      node: nodeInfoJson.parse(await answer.body.json()).node,
      model: journey.versionId,
      request: `0x${"22".repeat(32)}`,
      policy: 0,
      maxAmount: permitted.amount,
      deadline: Number(deadline) - journey.local.network.parameters.settleWindowSeconds,
      nonce,
    };
  }

  function merchantRequirements() {
    const { network } = journey.local;
    return {
      scheme: "exact",
      network: caip2(network),
      amount: "1000",
      asset: network.contracts.opg,
      payTo: `0x${"33".repeat(20)}`,
      maxTimeoutSeconds: 300,
      extra: { assetTransferMethod: "permit2", name: "OPG", version: "1" },
    };
  }
});
