import { decodePaymentResponseHeader } from "@x402/core/http";
import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import { readPayment } from "#gateway/readPayment.ts";
import { OpgError } from "#protocol/errors.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { paymentDigestOf, authorizationOf, taskRequirementsJson } from "#protocol/payment.ts";
import { tensorsFromJson } from "#protocol/tensors.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, offerIn, payFor, someRequest } from "./paidRequest.ts";

describe("POST /v1/infer", () => {
  let fixture: GatewayFixture;

  beforeEach(async () => {
    fixture = await gatewayFixture();
  });

  afterEach(() => fixture.stop());

  describe("without a payment", () => {
    it("offers the request: price ceiling, deadline, node, and the body says the same as the header", async () => {
      const response = await infer(fixture, someRequest(fixture));
      expect(response.status).to.equal(402);
      const required = offerIn(response);
      const { message, ...body } = (await response.json()) as { message: string };
      expect(body).to.deep.equal(required);
      expect(message).to.match(/^[^.]+\[0\][^.]+\.$/);
      const { amount, extra } = taskRequirementsJson.parse(required.accepts[0]);
      expect(amount).to.equal(1_000n + 12n * 3n + 100n * 5n);
      expect(extra.task).to.include({
        payer: fixture.wallets.payer.address,
        nonce: 0n,
        model: fixture.version.versionId,
        maxAmount: amount,
        deadline: fixture.time.now + 120,
      });
      expect(fixture.nodes.map(({ address }) => address)).to.include(extra.task.node);
    });

    it("adds the document to sign when the payer is known, and only then", async () => {
      const { network } = fixture;
      const { accepts } = await askOffer(fixture);
      const { task } = taskRequirementsJson.parse(accepts[0]).extra;
      const typedData = accepts[0]?.extra["typedData"] as Parameters<typeof digestOfDocument>[0];
      const terms = { token: network.contracts.opg, taskEscrow: network.contracts.taskEscrow, settleWindowSeconds: 60 };
      expect(digestOfDocument(typedData)).to.equal(paymentDigestOf(authorizationOf(task, terms), 31_337n));
      const anonymous = await askOffer(fixture, { model: "doubling", inputs: someRequest(fixture).inputs });
      expect(anonymous.accepts[0]?.extra).not.to.have.property("typedData");
    });

    it("names the nodes in turn", async () => {
      const named = new Set<unknown>();
      for (let round = 0; round < 2; round++) {
        const { accepts } = await askOffer(fixture);
        named.add(taskRequirementsJson.parse(accepts[0]).extra.task.node);
      }
      expect(named.size).to.equal(2);
    });

    it("finds a model by name, by name and version, and by versionId", async () => {
      for (const model of ["doubling", "doubling@1", fixture.version.versionId]) {
        expect((await infer(fixture, someRequest(fixture, { model }))).status, model).to.equal(402);
      }
    });
  });

  describe("with a payment", () => {
    it("runs the task, answers with a receipt and settles it", async () => {
      const header = await payFor(fixture, await askOffer(fixture));
      const response = await infer(fixture, someRequest(fixture), header);
      expect(response.status).to.equal(200);
      const answer = inferAnswerJson.parse(await response.json());
      const { y } = tensorsFromJson(answer.outputs);
      expect([...new Float32Array(y!.data.slice().buffer)]).to.deep.equal([2, 4, 6]);
      expect(answer.receipt.result.amount).to.equal(1_000n + 12n * 3n + 12n * 5n);
      expect(decodePaymentResponseHeader(response.headers.get("payment-response") ?? "")).to.deep.equal({
        success: true,
        transaction: answer.receipt.transaction,
        network: "eip155:31337",
        payer: fixture.wallets.payer.address,
        amount: "1096",
      });
    });

    it("runs the same payment once when it comes five times at once", async () => {
      const header = await payFor(fixture, await askOffer(fixture));
      const sending = Array.from({ length: 5 }, () => infer(fixture, someRequest(fixture), header));
      const answers = await Promise.all((await Promise.all(sending)).map((response) => response.text()));
      expect(new Set(answers).size).to.equal(1);
      expect(fixture.nodes[0].calls + fixture.nodes[1].calls).to.equal(1);
      expect(fixture.facilitator.calls).to.equal(1);
    });

    it("shares no answer with another signature over the same task", async () => {
      const required = await askOffer(fixture);
      let open = (): void => undefined;
      const gate = new Promise<void>((resolve) => (open = resolve));
      for (const node of fixture.nodes) node.gate = gate;
      const paid = infer(fixture, someRequest(fixture), await payFor(fixture, required));
      const forged = await payFor(fixture, required, {
        alter: ({ payload }) => (payload["signature"] = `0x${"11".repeat(65)}`),
      });
      const stolen = infer(fixture, someRequest(fixture), forged);
      while (fixture.facilitator.calls < 2) await new Promise((resolve) => setTimeout(resolve, 10));
      open();
      await Promise.all([paid, stolen]);
      expect(fixture.facilitator.calls).to.equal(2);
    });

    it("passes on what the facilitator refuses, and no node hears of it", async () => {
      fixture.facilitator.refusal = new OpgError("permit2_insufficient_balance", "Add 5 OPG.", { need: 5n });
      const response = await infer(fixture, someRequest(fixture), await payFor(fixture, await askOffer(fixture)));
      expect(response.status).to.equal(402);
      expect(await response.json()).to.deep.equal({
        error: { code: "permit2_insufficient_balance", message: "Add 5 OPG.", need: "5" },
      });
      expect(fixture.nodes[0].calls + fixture.nodes[1].calls).to.equal(0);
    });

    it("offers another node under the same nonce when the paid one is gone, before anything is locked", async () => {
      const required = await askOffer(fixture);
      const { task } = taskRequirementsJson.parse(required.accepts[0]).extra;
      const gone = fixture.nodes.find(({ address }) => address === task.node)!;
      await gone.stop();
      const response = await infer(fixture, someRequest(fixture), await payFor(fixture, required));
      expect(response.status).to.equal(402);
      const next = offerIn(response);
      expect(next.error).to.equal("no_active_node");
      const other = taskRequirementsJson.parse(next.accepts[0]).extra.task;
      expect(other).to.include({ payer: task.payer, nonce: task.nonce, request: task.request });
      expect(other.node).not.to.equal(task.node);
      expect(fixture.facilitator.calls).to.equal(0);
      expect((await infer(fixture, someRequest(fixture), await payFor(fixture, next))).status).to.equal(200);
    });

    it("offers another node, too, when only the facilitator knows that the paid one has ended", async () => {
      const required = await askOffer(fixture);
      const { task } = taskRequirementsJson.parse(required.accepts[0]).extra;
      fixture.facilitator.endedNode = task.node;
      const header = await payFor(fixture, required);
      const response = await infer(fixture, someRequest(fixture), header);
      expect(response.status).to.equal(402);
      const next = offerIn(response);
      expect(next.error).to.equal("no_active_node");
      const other = taskRequirementsJson.parse(next.accepts[0]).extra.task;
      expect(other).to.include({ payer: task.payer, nonce: task.nonce, request: task.request });
      expect(other.node).not.to.equal(task.node);
      const { paymentDigest } = readPayment(header, fixture.network);
      expect(await fixture.gateway.store.findByDigest(paymentDigest, fixture.time.now)).to.deep.equal([]);
      expect((await infer(fixture, someRequest(fixture), await payFor(fixture, next))).status).to.equal(200);
    });

    it("says no_active_node when nobody is left", async () => {
      const header = await payFor(fixture, await askOffer(fixture));
      for (const node of fixture.nodes) node.versions = [];
      fixture.time.now += 10;
      const response = await infer(fixture, someRequest(fixture), header);
      expect(response.status).to.equal(503);
      expect(await response.json()).to.have.nested.property("error.code", "no_active_node");
    });

    it("says when the payer is refunded after the node failed", async () => {
      const required = await askOffer(fixture);
      const { deadline } = taskRequirementsJson.parse(required.accepts[0]).extra.task;
      for (const node of fixture.nodes) node.failure = new OpgError("result_refused", "The verifiers refused.");
      const refused = await infer(fixture, someRequest(fixture), await payFor(fixture, required));
      expect(refused.status).to.equal(502);
      const { error } = (await refused.json()) as { error: { message: string } };
      expect(error.message).to.contain("at once");
      expect(error)
        .to.include({ code: "result_refused", refundAfter: deadline + 60 })
        .and.to.have.property("taskId");
    });

    it("never blames the payer for what a node refuses on its own account", async () => {
      for (const node of fixture.nodes) node.failure = new OpgError("invalid_release", "Not my facilitator.");
      const response = await infer(fixture, someRequest(fixture), await payFor(fixture, await askOffer(fixture)));
      expect(response.status).to.equal(503);
      expect(await response.json()).to.have.nested.property("error.code", "node_unavailable");
    });
  });
});

function digestOfDocument(document: {
  domain: Parameters<typeof TypedDataEncoder.hash>[0];
  types: Parameters<typeof TypedDataEncoder.hash>[1];
  message: Parameters<typeof TypedDataEncoder.hash>[2];
}): string {
  const { PermitWitnessTransferFrom = [], TokenPermissions = [], Task = [] } = document.types;
  const types = { PermitWitnessTransferFrom, TokenPermissions, Task };
  return TypedDataEncoder.hash(document.domain, types, document.message);
}
