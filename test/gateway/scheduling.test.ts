import { expect } from "chai";
import { OpgError } from "#protocol/errors.ts";
import { demandJson } from "#protocol/nodeListing.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import { summingInputs } from "#test/execution/summingModel.ts";
import { called, choosyPayer, codeIn, nodeIn } from "./choosyPayer.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { infer, offerIn } from "./paidRequest.ts";
import { plainRequest, startStockPayer } from "./stockPayment.ts";

describe("the choice of a node", () => {
  let fixture: GatewayFixture;
  let payer: ReturnType<typeof choosyPayer>;

  beforeEach(async () => {
    fixture = await gatewayFixture();
    payer = choosyPayer(fixture);
  });
  afterEach(() => fixture.stop());

  describe("by what was measured", () => {
    it("prefers the node that answers sooner, until it has more to do", async () => {
      const [slow, quick] = fixture.nodes;
      const open = Promise.withResolvers<undefined>();
      slow.gate = open.promise;
      const slowly = payer.payAt(slow);
      await called(slow, 1);
      fixture.time.now += 8;
      open.resolve(undefined);
      expect((await slowly).status).to.equal(200);
      const quickGate = Promise.withResolvers<undefined>();
      quick.gate = quickGate.promise;
      const quickly = payer.payAt(quick);
      await called(quick, 1);
      fixture.time.now += 2;
      quickGate.resolve(undefined);
      expect((await quickly).status).to.equal(200);
      expect((await payer.measuredOf(slow))?.medianSeconds).to.be.greaterThan(
        (await payer.measuredOf(quick))!.medianSeconds!,
      );
      fixture.time.now += 3;
      expect(new Set(await payer.offered(2))).to.deep.equal(new Set([quick.address]));
      expect(new Set(await payer.offered(8))).to.include(slow.address);
    });

    it("offers another node in place of one that has all the tasks it is given, and turns away where none has room", async () => {
      const open = Promise.withResolvers<undefined>();
      for (const node of fixture.nodes) node.gate = open.promise;
      const [first, second] = fixture.nodes;
      const payments = [];
      for (let count = 0; count < 7; count++) payments.push(await payer.paymentAt(first));
      const late = payments.pop()!;
      const running = payments.map(({ body, header }) => infer(fixture, body, header));
      await called(first, 6);
      const full = await infer(fixture, late.body, late.header);
      expect(full.status).to.equal(402);
      expect(offerIn(full).error).to.equal("no_active_node");
      expect(nodeIn(offerIn(full))).to.equal(second.address);
      const more = [];
      for (let count = 0; count < 6; count++) more.push(await payer.paymentAt(second));
      running.push(...more.map(({ body, header }) => infer(fixture, body, header)));
      await called(second, 6);
      expect((await infer(fixture, late.body, late.header)).status).to.equal(429);
      expect((await payer.listed(first)).measures.running).to.equal(6);
      open.resolve(undefined);
      for (const answer of await Promise.all(running)) expect(answer.status).to.equal(200);
      const [demand] = demandJson.parse(await (await fixture.app.request("/v1/demand")).json()).versions;
      expect(demand).to.include({ model: "doubling@1", paid: 12, answered: 12, turnedAway: 1, nodes: 2 });
    });
  });

  describe("of a node that fails", () => {
    const refusal = new OpgError("result_refused", "The verifiers refused.");

    it("gives it no tasks after three refused results, then one, and its turn again once that holds", async () => {
      const [bad, good] = fixture.nodes;
      const early = await payer.paymentAt(bad);
      bad.failure = refusal;
      for (let count = 0; count < 3; count++) expect((await payer.payAt(bad)).status).to.equal(502);
      expect(await payer.measuredOf(bad)).to.deep.include({ state: "open" });
      expect(new Set(await payer.offered(6))).to.deep.equal(new Set([good.address]));
      // Signed before: nothing was locked for it, and another node is offered.
      const instead = await infer(fixture, early.body, early.header);
      expect(nodeIn(offerIn(instead))).to.equal(good.address);
      expect(bad.calls).to.equal(3);

      fixture.time.now += 5;
      bad.failure = undefined;
      const open = Promise.withResolvers<undefined>();
      bad.gate = open.promise;
      const waiting = await payer.paymentAt(bad);
      const tried = payer.payAt(bad);
      await called(bad, 4);
      expect((await payer.measuredOf(bad))?.state).to.equal("half_open");
      expect(new Set(await payer.offered(4))).to.deep.equal(new Set([good.address]));
      expect((await infer(fixture, waiting.body, waiting.header)).status).to.equal(402);
      open.resolve(undefined);
      expect((await tried).status).to.equal(200);
      expect((await payer.measuredOf(bad))?.state).to.equal("closed");
      expect((await payer.payAt(bad)).status).to.equal(200);
    });

    it("waits longer each time, and says no_active_node where nobody else is left", async () => {
      const [bad, good] = fixture.nodes;
      good.versions = [];
      fixture.time.now += 3;
      bad.failure = new OpgError("invalid_release", "Not my facilitator.");
      for (let count = 0; count < 3; count++) expect((await payer.payAt(bad)).status).to.equal(503);
      for (const seconds of [5, 10]) {
        const refused = await infer(fixture, payer.newRequest());
        expect(refused.status).to.equal(503);
        expect(await codeIn(refused)).to.equal("no_active_node");
        fixture.time.now += seconds - 1;
        expect((await infer(fixture, payer.newRequest())).status).to.equal(503);
        fixture.time.now += 1;
        expect((await payer.payAt(bad)).status).to.equal(503);
      }
      expect(bad.calls).to.equal(5);
    });

    it("judges it by version: who has one refused serves the others", async () => {
      const [bad] = fixture.nodes;
      await fixture.publishSums();
      bad.failure = refusal;
      for (let count = 0; count < 3; count++) await payer.payAt(bad);
      bad.failure = undefined;
      fixture.time.now += 3;
      const inputs = tensorsToJson(summingInputs(2));
      expect((await payer.payAt(bad, { model: "sums", inputs })).status).to.equal(200);
    });
  });

  describe("before a release is used", () => {
    it("asks another node under upto when the first is gone, and releases one task", async () => {
      const stock = await startStockPayer(fixture);
      const header = await stock.pay();
      const required = offerIn(await infer(fixture, plainRequest));
      const next = fixture.nodes.find(({ address }) => address !== nodeIn(required))!;
      next.isGone = true;
      const looks = next.looks;
      expect((await infer(fixture, plainRequest, header)).status).to.equal(200);
      expect(next.looks).to.equal(looks + 1);
      expect(fixture.nodes.find((node) => node !== next)?.executions).to.equal(1);
      expect(fixture.facilitator.calls).to.equal(1);
      await stock.stop();
    });

    it("asks another node under upto when only the facilitator knows that the first has ended", async () => {
      const stock = await startStockPayer(fixture);
      const header = await stock.pay();
      const required = offerIn(await infer(fixture, plainRequest));
      const next = fixture.nodes.find(({ address }) => address !== nodeIn(required))!;
      fixture.facilitator.endedNode = next.address;
      expect((await infer(fixture, plainRequest, header)).status).to.equal(200);
      expect(fixture.facilitator.calls).to.equal(2);
      expect(next.calls).to.equal(0);
      await stock.stop();
    });

    it("leaves a node alone that does not answer, longer each time, and takes it back when it does", async () => {
      const [node] = fixture.nodes;
      const { body, header } = await payer.paymentAt(node);
      node.isGone = true;
      expect((await infer(fixture, body, header)).status).to.equal(402);
      expect((await payer.listed(node)).measures.answers).to.equal(false);
      const looks = node.looks;
      for (let second = 0; second < 21; second++) {
        fixture.time.now += 1;
        expect(await payer.offered(1)).to.not.include(node.address);
      }
      expect(node.looks - looks).to.equal(3);
      node.isGone = false;
      fixture.time.now += 24;
      expect(new Set(await payer.offered(4))).to.include(node.address);
      expect((await payer.listed(node)).measures.answers).to.equal(true);
      expect((await payer.payAt(node)).status).to.equal(200);
    });
  });
});
