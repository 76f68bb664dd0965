import { decodePaymentResponseHeader } from "@x402/core/http";
import { expect } from "chai";
import { id } from "ethers";
import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { taskRequirementsJson } from "#protocol/payment.ts";
import type { Task } from "#protocol/task.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, offerIn, someRequest } from "./paidRequest.ts";
import { payPrefunded, type PrefundedPayment } from "./prefundedPayment.ts";
import { refused } from "./refused.ts";

const elsewhere = `0x${"01".repeat(20)}`;

describe("POST /v1/infer paid out of a prefunded account", () => {
  let fixture: GatewayFixture;

  beforeEach(async () => {
    fixture = await gatewayFixture();
  });

  afterEach(() => fixture.stop());

  const pay = async (options: Parameters<typeof payPrefunded>[2] = {}): Promise<string> =>
    payPrefunded(fixture, await askOffer(fixture), options);

  it("is offered after what clients knew before, for the very same task", async () => {
    const { accepts } = await askOffer(fixture);
    expect(accepts.map(({ scheme }) => scheme)).to.deep.equal(["task", "upto", "prefunded"]);
    const [task, , prefunded] = accepts;
    const { typedData, ...extra } = task?.extra ?? {};
    expect(typedData).to.be.an("object");
    expect(prefunded).to.deep.equal({ ...task, scheme: "prefunded", extra });
  });

  it("runs the task and answers with its receipt, and no transaction is sent", async () => {
    const block = await fixture.provider.getBlockNumber();
    const response = await infer(fixture, someRequest(fixture), await pay());
    expect(response.status).to.equal(200);
    const { taskId, receipt } = inferAnswerJson.parse(await response.json());
    expect(receipt.release.paymentDigest).to.equal(taskId);
    expect(receipt.transaction).to.equal(null);
    expect(decodePaymentResponseHeader(response.headers.get("payment-response") ?? "")).to.deep.equal({
      success: true,
      transaction: "",
      network: "eip155:31337",
      payer: fixture.wallets.payer.address,
      amount: "1096",
    });
    expect(await fixture.provider.getBlockNumber()).to.equal(block);
  });

  it("hands the facilitator the payment as it came, without the salt", async () => {
    const header = await pay();
    expect((await infer(fixture, someRequest(fixture), header)).status).to.equal(200);
    const [body = ""] = fixture.facilitator.bodies;
    const { paymentPayload, paymentRequirements } = JSON.parse(body) as Record<string, PrefundedPayment["accepted"]> & {
      paymentPayload: PrefundedPayment;
    };
    const sent = JSON.parse(Buffer.from(header, "base64").toString()) as PrefundedPayment;
    expect(paymentPayload.payload).to.deep.equal(sent.payload);
    expect(paymentPayload.accepted).to.deep.equal(paymentRequirements);
    expect(paymentRequirements).to.include({ scheme: "prefunded", amount: "1536" });
    expect(body).not.to.contain(String(sent.accepted.extra["salt"]));
  });

  it("says what the facilitator lacks, beside a new offer", async () => {
    const header = await pay({ alter: ({ payload }) => delete payload.voucher });
    const response = await infer(fixture, someRequest(fixture), header);
    expect(response.status).to.equal(402);
    expect(offerIn(response).error).to.equal("voucher_required");
    const { error } = (await response.json()) as { error: Record<string, string> };
    expect(error).to.include({ code: "voucher_required", need: "1536", cap: "0", charged: "0", reserved: "0" });
  });

  it("takes the same signature again with the voucher that it lacked", async () => {
    const required = await askOffer(fixture);
    const lacking = await payPrefunded(fixture, required, { alter: ({ payload }) => delete payload.voucher });
    expect((await infer(fixture, someRequest(fixture), lacking)).status).to.equal(402);
    const whole = await payPrefunded(fixture, required);
    const [first, again] = [
      await infer(fixture, someRequest(fixture), whole),
      await infer(fixture, someRequest(fixture), lacking),
    ];
    expect(first.status).to.equal(200);
    expect(await again.text()).to.equal(await first.text());
    expect(fixture.nodes[0].executions + fixture.nodes[1].executions).to.equal(1);
  });

  it("tells who has no answer that nothing was locked, and until when it may still be charged", async () => {
    for (const node of fixture.nodes) node.failure = new OpgError("node_unavailable", "Gone.");
    const response = await infer(fixture, someRequest(fixture), await pay());
    expect(response.status).to.equal(503);
    const { error } = (await response.json()) as { error: { message: string; taskId: string } };
    expect(error.message).to.match(/nothing was locked, and unless it is still certified/);
    expect(fixture.facilitator.taskIds()).to.deep.equal([error.taskId]);
  });

  it("offers another node when the signed one is gone, with the same nonce", async () => {
    const required = await askOffer(fixture);
    const { task } = taskRequirementsJson.parse(required.accepts[2]).extra;
    const header = await payPrefunded(fixture, required);
    const [gone, other] = [...fixture.nodes].sort((one) => (one.address === task.node ? -1 : 1));
    await gone?.stop();
    const offer = offerIn(await infer(fixture, someRequest(fixture), header));
    expect(offer.error).to.equal("no_active_node");
    const { task: offered } = taskRequirementsJson.parse(offer.accepts[2]).extra;
    expect(offered).to.deep.equal({ ...task, node: other?.address });
    expect(fixture.facilitator.calls).to.equal(0);
  });

  describe("refuses, before the facilitator hears of it,", () => {
    const changes: [string, ErrorCode, Partial<Task>][] = [
      ["a task for another node", "task_terms_mismatch", { node: elsewhere }],
      ["a higher ceiling", "task_terms_mismatch", { maxAmount: 1_537n }],
      ["another request", "task_terms_mismatch", { request: id("other") }],
      ["another policy", "task_terms_mismatch", { policy: 1 }],
    ];
    for (const [name, code, change] of changes) {
      it(name, async () => refused(fixture, await infer(fixture, someRequest(fixture), await pay({ change })), code));
    }

    const alterations: [string, ErrorCode, (payment: PrefundedPayment) => void][] = [
      ["another chain", "invalid_network", ({ accepted }) => (accepted.network = "eip155:1")],
      ["another facilitator", "task_terms_mismatch", ({ payload }) => (payload.facilitator = elsewhere)],
      ["an offer of another", "task_terms_mismatch", ({ accepted }) => (accepted.extra["facilitator"] = elsewhere)],
      ["another recipient", "task_terms_mismatch", ({ accepted }) => (accepted.payTo = elsewhere)],
      ["another salt", "task_request_mismatch", ({ accepted }) => (accepted.extra["salt"] = id("salt"))],
      ["scheme task over it", "invalid_payment_header", ({ accepted }) => (accepted.scheme = "task")],
      ["a field too many", "invalid_payment_header", ({ payload }) => (payload["extra"] = 1)],
      ["a cap in hex", "invalid_payment_header", ({ payload }) => (payload.voucher!.cap = "0x01")],
      ["a cap beyond 128 bits", "invalid_payment_header", ({ payload }) => (payload.voucher!.cap = String(2n ** 128n))],
      ["a signature that is none", "invalid_payment_header", ({ payload }) => (payload.signature = "0x0")],
    ];
    for (const [name, code, alter] of alterations) {
      it(name, async () => refused(fixture, await infer(fixture, someRequest(fixture), await pay({ alter })), code));
    }

    it("what comes after its deadline", async () => {
      const header = await pay();
      fixture.time.now += 121;
      await refused(fixture, await infer(fixture, someRequest(fixture), header), "task_deadline_expired");
    });
  });
});
