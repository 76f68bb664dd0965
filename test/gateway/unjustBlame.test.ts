import { expect } from "chai";
import { OpgError } from "#protocol/errors.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import { summingInputs } from "#test/execution/summingModel.ts";
import { choosyPayer, codeIn, nodeIn } from "./choosyPayer.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { type Alter, askOffer, infer, offerIn, payFor } from "./paidRequest.ts";
import { payPrefunded } from "./prefundedPayment.ts";

describe("a node", () => {
  let fixture: GatewayFixture;
  let payer: ReturnType<typeof choosyPayer>;

  beforeEach(async () => {
    fixture = await gatewayFixture();
    payer = choosyPayer(fixture);
  });
  afterEach(() => fixture.stop());

  describe("whose payers mean harm", () => {
    const harms: [string, OpgError][] = [
      ["inputs that cannot be run", new OpgError("execution_failed", "It cannot be run.")],
      ["charges above what was signed", new OpgError("charge_exceeds_ceiling", "Too much.")],
      ["an executor that they keep full", new OpgError("rate_limited", "Full.")],
      ["inputs that the node stumbles over", new OpgError("internal", "A fault of ours.")],
    ];
    for (const [harm, failure] of harms) {
      it(`is not shut out by one payer with ${harm}`, async () => {
        const [node] = fixture.nodes;
        node.failure = failure;
        for (let count = 0; count < 5; count++) await payer.payAt(node);
        expect((await payer.measuredOf(node))?.tasks.failed).to.equal(5);
        expect((await payer.measuredOf(node))?.state).to.equal("closed");
        node.failure = undefined;
        expect((await payer.payAt(node)).status).to.equal(200);
      });
    }

    it("is not shut out by one payer whose tasks take too long", async () => {
      Object.assign(fixture.gateway.settings, { executionSeconds: 1, verdictSeconds: 0 });
      const [node] = fixture.nodes;
      const open = Promise.withResolvers<undefined>();
      node.gate = open.promise;
      const payments = [];
      for (let count = 0; count < 4; count++) payments.push(await payer.paymentAt(node));
      const answers = await Promise.all(payments.map(({ body, header }) => infer(fixture, body, header)));
      for (const answer of answers) expect(await codeIn(answer)).to.equal("node_unavailable");
      expect((await payer.measuredOf(node))?.tasks.timedOut).to.equal(4);
      open.resolve(undefined);
      expect((await payer.measuredOf(node))?.state).to.equal("closed");
      expect((await payer.payAt(node)).status).to.equal(200);
    });

    it("is not shut out by deadlines that leave it no time, or by releases that were kept back", async () => {
      const [node] = fixture.nodes;
      node.failure = new OpgError("invalid_release", "Too late for me.");
      for (let count = 0; count < 4; count++) {
        const { body } = await payer.paymentAt(node);
        const required = await askOffer(fixture, body);
        const deadline = fixture.time.now + 19;
        const alter = ({ accepted }: { accepted: { extra: Record<string, unknown> } }) => {
          accepted.extra["task"] = { ...(accepted.extra["task"] as object), deadline, node: node.address };
        };
        const header = await payPrefunded(fixture, required, { change: { deadline, node: node.address }, alter });
        expect((await infer(fixture, body, header)).status).to.equal(503);
      }
      expect(node.calls).to.equal(4);
      for (let count = 0; count < 3; count++) {
        const { body, header } = await payer.paymentAt(node);
        fixture.time.now += 100;
        expect((await infer(fixture, body, header)).status).to.equal(503);
        fixture.time.now -= 97;
      }
      expect(await payer.measuredOf(node)).to.deep.include({ state: "closed" });
      expect((await payer.measuredOf(node))?.tasks.failed).to.equal(7);
    });

    it("is not taken off the list by a payment that nobody signed, for a version that it does not run", async () => {
      const [node, other] = fixture.nodes;
      const sums = await fixture.publishSums();
      node.versions = node.versions.filter((versionId) => versionId !== sums);
      const body = payer.newRequest({ model: "sums", inputs: tensorsToJson(summingInputs(2)) });
      const forge: Alter = ({ accepted, payload }) => {
        Object.assign(accepted.extra["task"] as object, { node: node.address });
        payload["signature"] = `0x${"11".repeat(65)}`;
      };
      const change = { node: node.address };
      const header = await payFor(fixture, await askOffer(fixture, body), { change, alter: forge });
      const instead = await infer(fixture, body, header);
      expect(nodeIn(offerIn(instead))).to.equal(other.address);
      expect(new Set(await payer.offered(4))).to.include(node.address);
    });

    it("is not shut out by streams that are left, nor praised for them", async () => {
      await fixture.publishSums();
      const [node] = fixture.nodes;
      fixture.time.now += 3;
      const inputs = tensorsToJson(summingInputs(3));
      for (let count = 0; count < 4; count++) {
        if (count === 2) node.failure = new OpgError("result_refused", "The verifiers refused.");
        const { body, header } = await payer.paymentAt(node, { model: "sums", inputs });
        const headers = {
          "content-type": "application/json",
          accept: "text/event-stream",
          "payment-signature": header,
        };
        const init = { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.abort() };
        await (await fixture.app.request("/v1/infer", init)).text();
      }
      expect(await payer.measuredOf(node)).to.deep.include({ state: "closed", medianSeconds: null });
      expect((await payer.measuredOf(node))?.tasks).to.include({ left: 4, answered: 0 });
    });
  });

  describe("without verdicts enough", () => {
    it("is not blamed as long as no other gets them either", async () => {
      for (const node of fixture.nodes) node.failure = new OpgError("certificate_incomplete", "Too few verifiers.");
      for (const node of fixture.nodes) for (let count = 0; count < 4; count++) await payer.payAt(node);
      for (const node of fixture.nodes) expect((await payer.measuredOf(node))?.state).to.equal("closed");
      for (const node of fixture.nodes) expect((await payer.measuredOf(node))?.tasks.uncertified).to.equal(4);
    });
  });
});
