import { expect } from "chai";
import { id, Wallet, ZeroAddress } from "ethers";
import { OpgError } from "#client/index.ts";
import type { ReceiptJson } from "#protocol/inferAnswer.ts";
import { resultJson, resultTypedData } from "#protocol/result.ts";
import { sign } from "#test/contracts/fixture.ts";
import { someInputs } from "#test/gateway/doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { lyingGateway, type Lies } from "./lyingGateway.ts";
import { payingClient } from "./payingClient.ts";

const elsewhere = `0x${"01".repeat(20)}`;

describe("a client of a lying gateway", () => {
  let fixture: GatewayFixture;

  before(async () => {
    fixture = await gatewayFixture();
  });

  after(() => fixture.stop());

  async function refusal(lies: Lies, model = "doubling"): Promise<{ error: OpgError; signatures: number }> {
    let signatures = 0;
    const { payer } = fixture.wallets;
    const signer = {
      address: payer.address,
      signTypedData: (...typedData: Parameters<typeof payer.signTypedData>) => {
        signatures += 1;
        return payer.signTypedData(...typedData);
      },
    };
    const client = payingClient(fixture, { signer, fetch: lyingGateway(fixture, lies) });
    try {
      await client.infer({ model, inputs: someInputs });
    } catch (error) {
      if (error instanceof OpgError) return { error, signatures };
      throw error;
    }
    throw new Error("the lie was believed");
  }

  it("pays when nothing is altered on the way", async () => {
    const client = payingClient(fixture, { fetch: lyingGateway(fixture, {}) });
    expect((await client.infer({ model: "doubling", inputs: someInputs })).receipt.result.amount).to.equal(1_096n);
  });

  describe("signs nothing for an offer with", () => {
    const lies: [string, NonNullable<Lies["offer"]>][] = [
      ["network", (accepted) => (accepted.network = "eip155:1")],
      ["asset", (accepted) => (accepted.asset = elsewhere)],
      ["payTo", (accepted) => (accepted.payTo = elsewhere)],
      ["facilitator", ({ extra }) => (extra["facilitator"] = elsewhere)],
      ["settleWindowSeconds", ({ extra }) => (extra["settleWindowSeconds"] = 1_000_000)],
      ["salt", ({ extra }) => (extra["salt"] = id("salt"))],
      ["scheme", (accepted) => (accepted.scheme = "exact")],
      ["task.payer", (_, task) => (task.payer = elsewhere)],
      ["task.nonce", (_, task) => (task.nonce = "1")],
      ["task.model", (_, task) => (task.model = id("another model"))],
      ["task.request", (_, task) => (task.request = id("another request"))],
      ["task.policy", (_, task) => (task.policy = 2)],
      ["task.node", (_, task) => (task.node = ZeroAddress)],
      ["task.maxAmount", (_, task) => (task.maxAmount = "1000000")],
      ["task.deadline", (_, task) => (task.deadline += 1_000)],
      ["task.deadline", (_, task) => (task.deadline = 0)],
      ["amount", (accepted) => (accepted.amount = "1.5")],
    ];
    for (const [field, offer] of lies) {
      it(`another ${field}`, async () => {
        const { error, signatures } = await refusal({ offer });
        expect(error).to.deep.include({ code: "invalid_offer", values: { field } });
        expect(signatures).to.equal(0);
      });
    }
  });

  describe("signs nothing for a listing with", () => {
    const lies: [string, NonNullable<Lies["listing"]>][] = [
      ["versionId", (listing) => (listing.meter.base = "999")],
      ["versionId", (listing) => (listing.digest = id("another file"))],
      ["versionId", (listing) => (listing.profile = id("another profile"))],
      ["model", (listing) => (listing.name = "tripling")],
    ];
    for (const [index, [field, listing]] of lies.entries()) {
      it(`something else than its ${field} says (${index + 1})`, async () => {
        const { error, signatures } = await refusal({ listing });
        expect(error).to.deep.include({ code: "invalid_offer", values: { field } });
        expect(signatures).to.equal(0);
      });
    }
  });

  describe("gives out nothing for an answer with", () => {
    const twice = ({ verdicts }: ReceiptJson): void => {
      verdicts[1] = verdicts[0]!;
    };
    const lies: [string, string, NonNullable<Lies["answer"]>][] = [
      ["other outputs", "result.response", ({ outputs }) => (outputs["y"]!.data = [2, 4, 7])],
      ["an output under another name", "result.response", (answer) => (answer.outputs = { z: answer.outputs["y"]! })],
      ["another task's id", "task", (answer) => (answer.taskId = id("task"))],
      ["another node in the task", "task", ({ receipt }) => (receipt.task.node = elsewhere)],
      ["another price", "result.amount", ({ receipt }) => (receipt.result.amount = "1095")],
      ["another payout", "nodeSignature", ({ receipt }) => (receipt.result.payout = elsewhere)],
      ["a result that came too late", "result.completedAt", ({ receipt }) => (receipt.result.completedAt += 1_000)],
      ["a release of a stranger's", "release", ({ receipt }) => (receipt.release.facilitator = elsewhere)],
      ["a release of another payment", "release", ({ receipt }) => (receipt.release.paymentDigest = id("payment"))],
      ["no verdict", "verdicts", ({ receipt }) => (receipt.verdicts = [])],
      ["one verdict twice", "verdicts", ({ receipt }) => twice(receipt)],
      [
        "verdicts that refuse",
        "verdicts",
        ({ receipt }) => receipt.verdicts.forEach((verdict) => (verdict.agrees = false)),
      ],
      ["a verdict of a stranger's", "verdicts", ({ receipt }) => (receipt.verdicts[0]!.verifier = elsewhere)],
      ["a broken signature", "verdicts", ({ receipt }) => (receipt.verdicts[0]!.signature = "0x00")],
    ];
    for (const [what, part, answer] of lies) {
      it(what, async () => {
        const { error } = await refusal({ answer });
        expect(error.code).to.equal("invalid_receipt");
        expect(error.values).to.include({ part }).and.to.have.property("taskId");
      });
    }

    it("a result that another node signed", async () => {
      const stranger = Wallet.createRandom();
      const settlement = fixture.domainOf("settlement");
      let signed = "";
      const client = payingClient(fixture, {
        fetch: async (url, init) => {
          const response = await lyingGateway(fixture, {})(url, init);
          if (!url.endsWith("/v1/infer") || response.status !== 200) return response;
          const answer = (await response.json()) as { receipt: ReceiptJson };
          signed = await sign(stranger, resultTypedData(resultJson.parse(answer.receipt.result), settlement));
          return Response.json({ ...answer, receipt: { ...answer.receipt, nodeSignature: signed } });
        },
      });
      const error = await client.infer({ model: "doubling", inputs: someInputs }).catch((cause: unknown) => cause);
      expect(signed).not.to.equal("");
      expect(error).to.be.instanceOf(OpgError).and.to.have.nested.property("values.part", "nodeSignature");
    });
  });
});
