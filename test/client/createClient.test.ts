import type { PaymentPayload } from "@x402/core/types";
import { expect } from "chai";
import { ethers } from "ethers";
import { type Client, createClient, OpgError } from "#client/index.ts";
import { allowancePermitIn, allowancePermitTypedData } from "#protocol/gasSponsoring.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { recoverSigner } from "#protocol/signedDocument.ts";
import { someInputs } from "#test/gateway/doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { fetchFrom, payingClient } from "./payingClient.ts";

const request = { model: "doubling", inputs: someInputs };

async function refusalOf(call: Promise<unknown>): Promise<OpgError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof OpgError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("createClient", () => {
  let fixture: GatewayFixture;
  let client: Client;

  beforeEach(async () => {
    fixture = await gatewayFixture();
    client = payingClient(fixture);
  });

  afterEach(() => fixture.stop());

  it("lists models", async () => {
    const [model] = await client.models();
    expect(model).to.include({ name: "doubling", version: "1", nodes: 2 });
    expect(model?.inputs).to.deep.equal([{ name: "x", dtype: "float32", shape: [1, "n"] }]);
  });

  it("pays for an inference, checks the receipt and reads the trail", async () => {
    const before = await fixture.opg.balanceOf(fixture.wallets.payer.address);
    const { taskId, outputs, receipt } = await client.infer(request);
    expect([...new Float32Array(outputs["y"]!.data.slice().buffer)]).to.deep.equal([2, 4, 6]);
    expect(receipt.result.amount).to.equal(1_096n);
    expect(await fixture.opg.balanceOf(fixture.wallets.payer.address)).to.equal(before - 1_096n);
    expect(await client.trail(taskId)).to.include({ taskId, state: "settled", charge: "1096" });
  });

  it("takes bytes as well as arrays", async () => {
    const data = new Uint8Array(new Float32Array([4]).buffer);
    const { outputs } = await client.infer({ ...request, inputs: { x: { dtype: "float32", shape: [1, 1], data } } });
    expect([...new Float32Array(outputs["y"]!.data.slice().buffer)]).to.deep.equal([8]);
  });

  it("believes the gateway's network.json where none is given", async () => {
    const trusting = createClient({
      gateway: "http://gateway.test/",
      signer: fixture.wallets.payer,
      fetch: fetchFrom(fixture),
    });
    expect((await trusting.infer(request)).receipt.task.payer).to.equal(fixture.wallets.payer.address);
  });

  it("gives nonces of one word, so that the second payment is cheaper", async () => {
    const [first, second] = [await client.infer(request), await client.infer(request)];
    expect(second.receipt.task.nonce).to.equal(first.receipt.task.nonce + 1n);
    expect(first.receipt.task.nonce >> 8n).to.equal(second.receipt.task.nonce >> 8n);
  });

  it("keeps every call secret from the next by another salt", async () => {
    const [first, second] = [await client.infer(request), await client.infer(request)];
    expect(first.receipt.task.request).not.to.equal(second.receipt.task.request);
  });

  it("signs for another node when the first is gone, with the same nonce", async () => {
    await fixture.gateway.nodes.list();
    await fixture.nodes[0].stop();
    const inferences = [await client.infer(request), await client.infer(request)];
    expect(inferences.map(({ receipt }) => receipt.task.node)).to.deep.equal(Array(2).fill(fixture.nodes[1].address));
    expect(fixture.facilitator.calls).to.equal(2);
  });

  it("sends the same payment again when the connection breaks, and is charged once", async () => {
    const before = await fixture.opg.balanceOf(fixture.wallets.payer.address);
    const honest = fetchFrom(fixture);
    let broken = 0;
    const breaking = payingClient(fixture, {
      fetch: async (url, init) => {
        const response = await honest(url, init);
        if (init.headers["payment-signature"] === undefined || broken++ > 0) return response;
        throw new TypeError("the connection broke");
      },
    });
    expect((await breaking.infer(request)).receipt.result.amount).to.equal(1_096n);
    expect(broken).to.equal(2);
    expect(await fixture.opg.balanceOf(fixture.wallets.payer.address)).to.equal(before - 1_096n);
  });

  it("refuses a price above the limit before it signs", async () => {
    const error = await refusalOf(payingClient(fixture, { maxAmount: 1_535n }).infer(request));
    expect(error.code).to.equal("price_above_maximum");
    expect(error.values).to.include({ amount: 1_536n, maxAmount: 1_535n });
    expect(fixture.facilitator.calls).to.equal(0);
  });

  it("pays a price at the limit", async () => {
    expect((await payingClient(fixture, { maxAmount: 1_536n }).infer(request)).receipt.task.maxAmount).to.equal(1_536n);
  });

  it("counts the ceiling before an inference and the charge after it", async () => {
    const paying = payingClient(fixture, { maxPerDay: 1_096n + 1_536n });
    await paying.infer(request);
    await paying.infer(request);
    const error = await refusalOf(paying.infer(request));
    expect(error.code).to.equal("spending_limit_reached");
    expect(error.values).to.include({ spent: 2n * 1_096n, amount: 1_536n, option: "maxPerDay" });
    expect(fixture.facilitator.calls).to.equal(2);
  });

  it("keeps the receipts of inferences", async () => {
    const { receipt } = await client.infer(request);
    const [kept, ...others] = await client.receipts();
    expect(others).to.deep.equal([]);
    expect(kept).to.include({ scheme: "task", amount: 1_536n, state: "answered" });
    expect(kept?.task).to.deep.equal(receipt);
  });

  it("pays the gateway's plain calls by the scheme that binds the request", async () => {
    const paying = payingClient(fixture, { maxAmount: 1_536n });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) };
    const response = await paying.fetch(`${fixture.network.gateway}/v1/infer`, init);
    expect(response.status).to.equal(200);
    const [kept] = await paying.receipts();
    expect(kept).to.include({ scheme: "task", payTo: fixture.network.contracts.taskEscrow });
    expect(kept?.settlement?.amount).to.equal(1_096n);
  });

  it("gets the answer again that it paid for, under the same identifier", async () => {
    const paying = payingClient(fixture, { maxAmount: 1_536n });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) };
    const ask = async (): Promise<unknown> => {
      const paymentIdentifier = "request-0123456789";
      const response = await paying.fetch(`${fixture.network.gateway}/v1/infer`, { ...init, paymentIdentifier });
      return response.json();
    };
    const first = await ask();
    expect(await ask()).to.deep.equal(first);
    expect(fixture.nodes[0].executions + fixture.nodes[1].executions).to.equal(1);
  });

  it("says how to approve Permit2 where that is missing", async () => {
    fixture.facilitator.refusal = new OpgError("permit2_allowance_required", "Approve.", { need: 5n });
    const error = await refusalOf(client.infer(request));
    expect(error.code).to.equal("permit2_allowance_required");
    expect(error.message).to.contain(`approve(${PERMIT2}, amount)`).and.to.contain(fixture.network.contracts.opg);
    expect(error.values).to.include({ need: "5", spender: PERMIT2, token: fixture.network.contracts.opg });
    expect(error.values["link"]).to.match(/^https:/);
  });

  it("signs a missing allowance where it may, and sends the same payment with it", async () => {
    fixture.facilitator.refusal = new OpgError("permit2_allowance_required", "Approve.", { permitNonce: 3n });
    const error = await refusalOf(payingClient(fixture, { allowance: "permit" }).infer(request));
    expect(error.code).to.equal("permit2_allowance_required");
    const [first, second, ...others] = fixture.facilitator.bodies.map(
      (body) => (JSON.parse(body) as { paymentPayload: PaymentPayload }).paymentPayload,
    );
    expect(others).to.deep.equal([]);
    expect(second?.payload).to.deep.equal(first?.payload);
    const permit = allowancePermitIn(second?.extensions);
    if (typeof permit === "string") throw new Error("there is no permit");
    expect(permit).to.include({ asset: fixture.network.contracts.opg, amount: 1_536n, nonce: 3n, spender: PERMIT2 });
    const token = { name: "OPG", version: "1", chainId: BigInt(fixture.chainId) };
    const signedBy = recoverSigner(allowancePermitTypedData(permit, token), permit.signature);
    expect(signedBy).to.equal(fixture.wallets.payer.address);
  });

  it("passes on what the gateway says is wrong", async () => {
    expect((await refusalOf(client.infer({ ...request, model: "tripling" }))).code).to.equal("unknown_model");
    const wrong = { x: { dtype: "int32" as const, shape: [1, 1], data: [1] } };
    expect((await refusalOf(client.infer({ ...request, inputs: wrong }))).code).to.equal("invalid_tensor");
    expect((await refusalOf(client.trail(ethers.id("no task")))).code).to.equal("unknown_task");
  });

  it("says when the gateway is none, or its URL", async () => {
    const html: ReturnType<typeof fetchFrom> = async () => new Response("<html>");
    expect((await refusalOf(payingClient(fixture, { fetch: html }).models())).code).to.equal("gateway_unavailable");
    expect(() => payingClient(fixture, { gateway: "gateway" }))
      .to.throw()
      .with.property("code", "configuration");
    expect(() => payingClient(fixture, { network: { ...fixture.network, chainId: 0 } })).to.throw(/chainId/);
  });
});
