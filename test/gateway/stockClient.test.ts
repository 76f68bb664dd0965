import { decodePaymentResponseHeader } from "@x402/core/http";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { UptoEvmScheme } from "@x402/evm";
import { expect } from "chai";
import { OpgError } from "#protocol/errors.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { caip2 } from "#protocol/network.ts";
import { proxyPaymentDigest, proxyPayloadJson } from "#protocol/proxyPayment.ts";
import { requestDigest } from "#protocol/request.ts";
import { tensorsDigest, tensorsFromJson } from "#protocol/tensors.ts";
import { stockAccount } from "#test/integration/stockClient.ts";
import { someInputs } from "./doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, offerIn } from "./paidRequest.ts";
import { parseTrail } from "./settledTask.ts";
import { plainRequest, startStockPayer, type StockPayer } from "./stockPayment.ts";

describe("x402's own client at POST /v1/infer", () => {
  let fixture: GatewayFixture;
  let payer: StockPayer;

  beforeEach(async () => {
    fixture = await gatewayFixture();
    payer = await startStockPayer(fixture);
  });

  afterEach(async () => {
    await payer.stop();
    await fixture.stop();
  });

  /** The call that its users write. */
  async function pay(client: x402Client = payer.client): Promise<Response> {
    const paidFetch = wrapFetchWithPayment(async (input, init) => fixture.app.fetch(new Request(input, init)), client);
    return paidFetch("http://gateway.test/v1/infer", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(plainRequest),
    });
  }

  it("is offered x402's scheme beside the task, payable by way of the facilitator's entry", async () => {
    const { accepts, extensions } = await askOffer(fixture, plainRequest);
    const { network, opg } = fixture;
    const salt = accepts[0]?.extra["salt"] as string;
    const inputDigest = tensorsDigest(["x"], tensorsFromJson(someInputs));
    expect(accepts.map(({ scheme }) => scheme)).to.deep.equal(["task", "upto", "prefunded"]);
    expect(accepts[1]).to.deep.equal({
      scheme: "upto",
      network: "eip155:31337",
      amount: "1536",
      asset: network.contracts.opg,
      payTo: network.contracts.taskEscrow,
      maxTimeoutSeconds: 120 + 60,
      extra: {
        name: await opg.name(),
        version: "1",
        assetTransferMethod: "permit2",
        facilitatorAddress: fixture.entry,
        salt,
        request: requestDigest(salt, fixture.version.versionId, inputDigest),
      },
    });
    expect(extensions).to.have.all.keys("payment-identifier", "eip2612GasSponsoring");
  });

  it("pays, gets the answer, and the charge alone leaves the wallet", async () => {
    const { address } = fixture.wallets.payer;
    const before = await fixture.opg.balanceOf(address);
    const response = await pay();
    expect(response.status).to.equal(200);
    const { outputs, receipt } = inferAnswerJson.parse(await response.json());
    const { y } = tensorsFromJson(outputs);
    expect([...new Float32Array(y!.data.slice().buffer)]).to.deep.equal([2, 4, 6]);
    expect(decodePaymentResponseHeader(response.headers.get("payment-response") ?? "")).to.deep.equal({
      success: true,
      transaction: receipt.transaction,
      network: "eip155:31337",
      payer: address,
      amount: "1096",
    });
    expect(await fixture.opg.balanceOf(address)).to.equal(before - 1_096n);
  });

  it("may add to what it accepts", async () => {
    const header = await payer.pay({ alter: ({ accepted }) => (accepted.extra["memo"] = "for the tests") });
    expect((await infer(fixture, plainRequest, header)).status).to.equal(200);
  });

  it("signs nothing for a token that its user has not allowed", async () => {
    const careful = new x402Client().register(
      caip2(fixture.network),
      new UptoEvmScheme(stockAccount(fixture.wallets.payer)),
    );
    const error: unknown = await pay(careful).catch((cause: unknown) => cause);
    expect(String(error)).to.contain("allowedAssets");
    expect(fixture.facilitator.calls).to.equal(0);
  });

  it("proposes the task that follows from the authorization, and keeps the salt to itself", async () => {
    const { receipt } = inferAnswerJson.parse(await (await pay()).json());
    const [text = ""] = fixture.facilitator.bodies;
    const body = JSON.parse(text) as { paymentPayload: { payload: unknown }; task: unknown };
    const { permit2Authorization } = proxyPayloadJson.upto.parse(body.paymentPayload.payload);
    expect(receipt.task).to.deep.include({
      payer: fixture.wallets.payer.address,
      maxAmount: permit2Authorization.permitted.amount,
      nonce: permit2Authorization.nonce,
      deadline: Number(permit2Authorization.deadline) - 60,
      policy: 0,
    });
    expect(receipt.release.paymentDigest).to.equal(proxyPaymentDigest("upto", permit2Authorization, 31_337n));
    // The fixture's randomness counts up from one, and a salt is drawn before anything else.
    expect(text).not.to.contain("01".repeat(32)).and.not.to.contain('"salt"');
  });

  it("hands on an EIP-2612 permit where Permit2 has no allowance", async () => {
    const { opg, wallets } = fixture;
    await opg.connect(wallets.payer).approve("0x000000000022D473030F116dDEE9F6B43aC78BA3", 0n);
    fixture.facilitator.refusal = new OpgError("permit2_allowance_required", "Approve Permit2.", { permitNonce: 0n });
    expect((await pay()).status).to.equal(412);
    const { paymentPayload } = JSON.parse(fixture.facilitator.bodies[0] ?? "") as {
      paymentPayload: { extensions: { eip2612GasSponsoring: { info: object } } };
    };
    expect(paymentPayload.extensions.eip2612GasSponsoring.info).to.include({
      from: wallets.payer.address,
      asset: fixture.network.contracts.opg,
      amount: "1536",
      nonce: "0",
    });
  });

  it("reads why it does not pay beside a new offer", async () => {
    for (const [code, status] of [
      ["permit2_insufficient_balance", 402],
      ["permit2_allowance_required", 412],
    ] as const) {
      fixture.facilitator.refusal = new OpgError(code, "Not now.", {});
      const response = await pay();
      expect(response.status).to.equal(status);
      const required = offerIn(response);
      expect(required.error).to.equal(code);
      expect(required.accepts.map(({ scheme }) => scheme)).to.deep.equal(["task", "upto", "prefunded"]);
      expect(await response.json()).to.have.nested.property("error.code", code);
    }
    expect(fixture.nodes[0].calls + fixture.nodes[1].calls).to.equal(0);
  });

  it("finds room for the whole offer in a header of Node's usual size", async () => {
    const { wallets } = fixture;
    const response = await infer(fixture, { ...plainRequest, payer: wallets.payer.address });
    expect(response.headers.get("payment-required")?.length).to.be.lessThan(12_000);
    expect((await payer.pay({ required: offerIn(response) })).length).to.be.lessThan(8_000);
  });

  it("leaves a trail without a lock", async () => {
    const { taskId } = inferAnswerJson.parse(await (await pay()).json());
    const trail = parseTrail(await (await fixture.app.request(`/v1/tasks/${taskId}`)).json());
    expect(trail).to.include({ state: "settled", maxAmount: "1536", charge: "1096", refund: "0" });
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["capture"]);
    const page = await (await fixture.app.request(`/tasks/${taskId}`)).text();
    expect(page)
      .to.contain("Charge collected and divided")
      .and.not.to.match(/does not add up/i);
    expect(await (await fixture.app.request("/")).text()).to.contain(`href="/tasks/${taskId}"`);
  });

  it("is told that nothing was locked when the node fails", async () => {
    for (const node of fixture.nodes)
      node.failure = new OpgError("execution_failed", "The model cannot be run on that.");
    const response = await pay();
    expect(response.status).to.equal(422);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error.message).to.contain("nothing was locked");
    expect(error).to.have.property("taskId");
    expect(error).not.to.have.property("refundAfter");
  });
});
