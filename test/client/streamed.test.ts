import { decodePaymentSignatureHeader } from "@x402/core/http";
import { expect } from "chai";
import { type Client, type ClientOptions, type ClientState, type Fetch, memoryState } from "#client/index.ts";
import { proxyPayloadJson, proxyPaymentDigest } from "#protocol/proxyPayment.ts";
import { openShop, refusalOf, type Shop, shopTime, signer } from "./shop.ts";
import { testNetwork } from "./testNetwork.ts";

const { opg } = testNetwork.contracts;
const facilitator = testNetwork.facilitators[0]?.url ?? "";
const transaction = `0x${"ab".repeat(32)}`;

describe("answers that are settled after they were sent", () => {
  let shop: Shop;
  let state: ClientState;
  /** What the facilitator says of every settlement. */
  let settlement: Record<string, unknown>;
  let asked: string[];
  let now: number;

  beforeEach(() => {
    shop = openShop();
    state = memoryState();
    settlement = { state: "settled", amount: "5", transaction };
    asked = [];
    now = shopTime;
    shop.way = (answer, header) => (header === undefined ? answer : streamed(answer, urlOf(header)));
  });

  /** A payment as the facilitator tells of it. */
  const statusOf = (id: string) => {
    const { transaction: hash = null, ...said } = settlement;
    const parties = { payer: signer.address, payee: opg, asset: opg, maxAmount: "20" };
    const answer = hash === null ? null : { success: true, transaction: hash, network: "eip155:31337" };
    return { id, kind: "payment", amount: null, ...parties, ...said, answer, transactions: [] };
  };

  const fetch: Fetch = async (url, init) => {
    if (!url.startsWith(`${facilitator}/settlements/`)) return shop.fetch(url, init);
    asked.push(url);
    return Response.json(statusOf(url.slice(url.lastIndexOf("/") + 1)));
  };
  const client = (options: Partial<ClientOptions> = {}): Client =>
    shop.client({ fetch, state, clock: () => now, ...options });

  it("count at their ceiling until the settlement is known, and at what was charged from then on", async () => {
    settlement = { state: "settling", amount: "5", transaction: null };
    const buyer = client({ maxPerDay: 30n });
    expect((await buyer.fetch("http://shop.test/upto")).status).to.equal(200);
    expect(asked).to.deep.equal([]);
    expect((await refusalOf(buyer.fetch("http://shop.test/upto"))).code).to.equal("spending_limit_reached");
    expect((await buyer.receipts())[0]).to.deep.include({ state: "answered", amount: 20n, settlement: null });
    settlement = { state: "settled", amount: "5", transaction };
    await buyer.fetch("http://shop.test/upto");
    await buyer.receipts();
    const full = client({ maxPerDay: 29n }).fetch("http://shop.test/upto");
    expect((await refusalOf(full)).values).to.include({ spent: 10n, amount: 20n });
  });

  it("are asked about once they matter, and once they are known never again", async () => {
    const buyer = client({ maxPerDay: 35n });
    for (let calls = 0; calls < 4; calls++) await buyer.fetch("http://shop.test/upto");
    expect(asked).to.have.length(3);
    const known = { state: "answered", settlement: { amount: 5n, transaction }, settlementUrl: urlOf(shop.sent[0]!) };
    expect((await buyer.receipts())[0]).to.deep.include(known);
    await buyer.receipts();
    expect(asked).to.deep.equal(shop.sent.map(urlOf));
  });

  it("are counted down once, however many clients on one state learn of it", async () => {
    await client().fetch("http://shop.test/upto");
    await Promise.all([client().receipts(), client().receipts(), client().receipts()]);
    const { amounts } = await state.update((content) => ({ content, value: content.spending }));
    expect(amounts.map(({ amount, asset }) => [amount, asset])).to.deep.equal([[5n, opg]]);
  });

  it("change nothing of another day", async () => {
    await client().fetch("http://shop.test/upto");
    now += 86_400;
    await client({ maxPerDay: 20n }).fetch("http://shop.test/upto");
    settlement = { state: "settled", amount: "0", transaction: "" };
    await client().receipts();
    const { amounts } = await state.update((content) => ({ content, value: content.spending }));
    expect(amounts.map(({ amount }) => amount)).to.deep.equal([0n]);
  });

  it("are looked up at the network's facilitator, whatever address the server names", async () => {
    shop.way = (answer, header) =>
      header === undefined ? answer : streamed(answer, `http://liar.test/settlements/0x${"22".repeat(32)}`);
    await client().fetch("http://shop.test/upto");
    expect((await client().receipts())[0]?.settlement).to.deep.equal({ amount: 5n, transaction });
    expect(asked).to.deep.equal(shop.sent.map(urlOf));
  });

  it("are not asked about any more once they ended otherwise, or long after they expired", async () => {
    settlement = { state: "lapsed" };
    await client().fetch("http://shop.test/upto");
    for (let times = 0; times < 3; times++) await client().receipts();
    expect(asked).to.have.length(1);
    settlement = { state: "settling" };
    await client().fetch("http://shop.test/upto");
    now += 30 * 86_400;
    await client().receipts();
    expect(asked).to.have.length(1);
  });

  for (const [answer, said] of Object.entries({
    "of more than was signed": { state: "settled", amount: "21", transaction },
    "of no amount": { state: "settled" },
    "that cannot be read": { state: 7 },
    "of a failure": { state: "failed", amount: "5" },
  })) {
    it(`stay at their ceiling after an answer ${answer}`, async () => {
      settlement = said;
      await client().fetch("http://shop.test/upto");
      expect((await client().receipts())[0]?.settlement).to.equal(null);
      expect((await refusalOf(client({ maxPerDay: 39n }).fetch("http://shop.test/upto"))).values).to.include({
        spent: 20n,
      });
    });
  }
});

/** The answer as of a server that settles when it has ended. */
function streamed(answer: Response, settlementUrl: string): Response {
  const headers = new Headers(answer.headers);
  headers.delete("payment-response");
  headers.set("payment-settlement", settlementUrl);
  return new Response(answer.body, { status: answer.status, headers });
}

/** Where the network's facilitator tells the settlement. */
function urlOf(header: string): string {
  const { permit2Authorization } = proxyPayloadJson.upto.parse(decodePaymentSignatureHeader(header).payload);
  return `${facilitator}/settlements/${proxyPaymentDigest("upto", permit2Authorization, BigInt(testNetwork.chainId))}`;
}
