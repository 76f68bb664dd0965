import { expect } from "chai";
import { id } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { someInputs } from "./doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, offerIn, payFor, someRequest } from "./paidRequest.ts";
import { payPrefunded } from "./prefundedPayment.ts";
import { identified, plainRequest, startStockPayer, type StockPayer } from "./stockPayment.ts";

const IDENTIFIER = "a-purchase-of-the-tests";
const otherInputs = { x: { ...someInputs.x, data: [1, 2, 4] } };

describe("a payment that comes again", () => {
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

  const executions = (): number => fixture.nodes[0].executions + fixture.nodes[1].executions;

  async function refusalIn(response: Response): Promise<string> {
    const { error } = (await response.json()) as { error: { code: string } };
    return error.code;
  }

  const schemes: [string, () => Promise<{ header: string; body: unknown }>][] = [
    ["upto", async () => ({ header: await payer.pay(), body: plainRequest })],
    ["task", async () => ({ header: await payFor(fixture, await askOffer(fixture)), body: someRequest(fixture) })],
    [
      "prefunded",
      async () => ({ header: await payPrefunded(fixture, await askOffer(fixture)), body: someRequest(fixture) }),
    ],
  ];
  for (const [scheme, sign] of schemes) {
    describe(`under ${scheme}`, () => {
      it("gets the same answer at once, later, after its deadline and at another replica, from one execution", async () => {
        const { header, body } = await sign();
        const replica = await fixture.startReplica();
        const places = [fixture, replica, fixture, replica];
        const first = await Promise.all(places.map(async (place) => (await infer(place, body, header)).text()));
        expect(first[0]).to.contain('"outputs"');
        fixture.time.now += 3_000;
        const restarted = await fixture.startReplica();
        for (const node of fixture.nodes) await node.stop();
        await fixture.facilitator.stop();
        const later = await infer(restarted, body, header);
        expect(later.headers.get("payment-response")).to.be.a("string");
        expect(new Set([...first, await later.text()]).size).to.equal(1);
        expect(executions()).to.equal(1);
      });

      it("is refused with another body, whether it is running or answered", async () => {
        const { header, body } = await sign();
        const open = Promise.withResolvers<undefined>();
        for (const node of fixture.nodes) node.gate = open.promise;
        const paid = infer(fixture, body, header);
        const other = { ...(body as object), inputs: otherInputs };
        const during = await infer(await fixture.startReplica(), other, header);
        open.resolve(undefined);
        expect((await paid).status).to.equal(200);
        const after = await infer(fixture, other, header);
        for (const refused of [during, after]) {
          expect(refused.status).to.equal(402);
          expect(offerIn(refused).error).to.equal("task_request_mismatch");
        }
        expect(executions()).to.equal(1);
      });

      it("gives nothing to who knows signature and inputs, which may be public, but not the salt", async () => {
        const { header, body } = await sign();
        expect((await infer(fixture, body, header)).status).to.equal(200);
        const payload = JSON.parse(Buffer.from(header, "base64").toString()) as {
          accepted: { extra: Record<string, unknown> };
        };
        payload.accepted.extra["salt"] = id("a guess");
        const guessed = Buffer.from(JSON.stringify(payload)).toString("base64");
        expect(await refusalIn(await infer(fixture, body, guessed))).to.equal("task_request_mismatch");
      });

      it("is answered by another gateway when the first died between release and answer", async () => {
        const { header, body } = await sign();
        for (const node of fixture.nodes) node.failure = new OpgError("node_unavailable", "Gone.");
        expect((await infer(fixture, body, header)).status).to.equal(503);
        for (const node of fixture.nodes) node.failure = undefined;
        fixture.time.now += 150;
        const answer = await infer(await fixture.startReplica(), body, header);
        expect(answer.status).to.equal(200);
        expect(fixture.facilitator.calls).to.equal(1);
      });

      it("is answered though the release was lost on its way, also after the deadline", async () => {
        const { header, body } = await sign();
        fixture.facilitator.failure = new OpgError("facilitator_unavailable", "Cut off.");
        expect((await infer(fixture, body, header)).status).to.equal(503);
        fixture.facilitator.failure = undefined;
        fixture.time.now += 150;
        expect((await infer(await fixture.startReplica(), body, header)).status).to.equal(200);
        expect(executions()).to.equal(1);
      });

      it("is forgotten after its time", async () => {
        const { header, body } = await sign();
        expect((await infer(fixture, body, header)).status).to.equal(200);
        fixture.time.now += 3_600;
        expect(await refusalIn(await infer(fixture, body, header))).to.match(/^(permit2|task)_deadline_expired$/);
        expect(await fixture.gateway.store.prune(fixture.time.now)).to.equal(1);
        expect(executions()).to.equal(1);
      });

      it("leaves nothing behind when the facilitator refuses it, and may come again", async () => {
        const { header, body } = await sign();
        fixture.facilitator.refusal = new OpgError("permit2_insufficient_balance", "Add OPG.");
        expect((await infer(fixture, body, header)).status).to.equal(402);
        expect(await fixture.gateway.store.prune(fixture.time.now + 100_000)).to.equal(0);
        fixture.facilitator.refusal = undefined;
        expect((await infer(fixture, body, header)).status).to.equal(200);
      });
    });
  }

  describe("under a payment-identifier with a new authorization", () => {
    const alter = identified(IDENTIFIER);

    it("gets the same answer for the same body, though salt and nonce are new", async () => {
      const first = await infer(fixture, plainRequest, await payer.pay({ alter }));
      const again = await infer(await fixture.startReplica(), plainRequest, await payer.pay({ alter }));
      expect(again.status).to.equal(200);
      expect(await again.text()).to.equal(await first.text());
      expect(executions()).to.equal(1);
    });

    it("joins the first while that is running", async () => {
      const headers = [await payer.pay({ alter }), await payer.pay({ alter }), await payer.pay({ alter })];
      const replica = await fixture.startReplica();
      const sending = headers.map((header, index) => infer(index === 1 ? replica : fixture, plainRequest, header));
      const answers = await Promise.all((await Promise.all(sending)).map((response) => response.text()));
      expect(new Set(answers).size).to.equal(1);
      expect(answers[0]).to.contain('"outputs"');
      expect(executions()).to.equal(1);
    });

    it("is refused for another body", async () => {
      await infer(fixture, plainRequest, await payer.pay({ alter }));
      const body = { ...plainRequest, inputs: otherInputs };
      const refused = await infer(fixture, body, await payer.pay({ body, alter }));
      expect(refused.status).to.equal(409);
      expect(await refusalIn(refused)).to.equal("payment_identifier_conflict");
      expect(executions()).to.equal(1);
    });

    it("is answered when the gateway died before it heard of the release", async () => {
      fixture.facilitator.failure = new OpgError("facilitator_unavailable", "Cut off.");
      expect((await infer(fixture, plainRequest, await payer.pay({ alter }))).status).to.equal(503);
      fixture.facilitator.failure = undefined;
      const answer = await infer(await fixture.startReplica(), plainRequest, await payer.pay({ alter }));
      expect(answer.status).to.equal(200);
      expect(executions()).to.equal(1);
    });

    it("is told when the answer is not kept any more", async () => {
      await infer(fixture, plainRequest, await payer.pay({ alter }));
      await fixture.gateway.store.prune(fixture.time.now + 3_600);
      const refused = await infer(fixture, plainRequest, await payer.pay({ alter }));
      expect(refused.status).to.equal(410);
      expect(await refusalIn(refused)).to.equal("answer_expired");
      expect(executions()).to.equal(1);
    });
  });
});
