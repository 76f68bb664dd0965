import { decodePaymentSignatureHeader } from "@x402/core/http";
import { expect } from "chai";
import { createClient, type Fetch, memoryState } from "#client/index.ts";
import { openShop, refusalOf, type Shop, shopTime, signer } from "./shop.ts";
import { merchant, otherToken, testNetwork } from "./testNetwork.ts";

const { opg } = testNetwork.contracts;

describe("client.fetch at x402's own server", () => {
  let shop: Shop;

  beforeEach(() => {
    shop = openShop();
  });

  it("leaves alone what is free", async () => {
    expect(await (await shop.client().fetch("http://api.test/free")).text()).to.equal("free");
    expect(shop.sent).to.deep.equal([]);
  });

  it("pays the cheapest entry, and of two at one price the one that may cost less", async () => {
    const response = await shop.client().fetch("http://api.test/weather");
    expect(await response.json()).to.deep.equal({ path: "/weather" });
    expect(decodePaymentSignatureHeader(shop.sent[0]!).accepted).to.include({ scheme: "upto", amount: "20" });
    expect(shop.settledAmounts()).to.deep.equal(["20"]);
    expect(shop.seen.runs).to.equal(1);
  });

  it("sends the same body again with the payment", async () => {
    const response = await shop.client().fetch("http://api.test/echo", { method: "POST", body: "the same" });
    expect(await response.text()).to.equal("the same");
  });

  it("pays by the token's own transfer where that is what exact means", async () => {
    expect((await shop.client().fetch("http://api.test/transfer")).status).to.equal(200);
    expect(shop.settledAmounts()).to.deep.equal(["5"]);
  });

  it("keeps a receipt with what the server says it took", async () => {
    const paying = shop.client();
    await paying.fetch("http://api.test/weather");
    const [receipt, ...others] = await paying.receipts();
    expect(others).to.deep.equal([]);
    expect(receipt).to.include({ url: "http://api.test/weather", scheme: "upto", asset: opg, payTo: merchant });
    expect(receipt).to.include({
      amount: 20n,
      createdAt: shopTime,
      state: "answered",
      account: `eip155:31337:${signer.address}`,
    });
    expect(receipt?.settlement?.amount).to.equal(20n);
    expect(receipt?.settlement?.transaction).to.match(/^0x[0-9a-f]{64}$/);
  });

  it("names the payment where the server takes identifiers", async () => {
    const paying = shop.client();
    await paying.fetch("http://api.test/weather");
    const [receipt] = await paying.receipts();
    expect([...shop.facilitator.settled.values()][0]?.identifier).to.equal(receipt?.id);
  });

  it("sends the same payment again when the answer is lost, never a second one", async () => {
    shop.way = (response, header) => {
      if (header === undefined || shop.sent.length > 1) return response;
      throw new TypeError("the connection broke");
    };
    // The server has settled it, and its stock facilitator has no memory: it says that the nonce is used.
    expect((await refusalOf(shop.client().fetch("http://api.test/weather"))).code).to.equal("permit2_invalid_nonce");
    expect(shop.sent).to.have.length(2);
    expect(shop.sent[0]).to.equal(shop.sent[1]);
    expect(shop.settledAmounts()).to.deep.equal(["20"]);
  });

  it("sends a payment that was never answered again after a restart, under its identifier", async () => {
    const state = memoryState();
    shop.way = (response, header) => {
      if (header === undefined) return response;
      throw new TypeError("the connection broke");
    };
    const paymentIdentifier = "request-0123456789";
    const lost = await refusalOf(shop.client({ state }).fetch("http://api.test/weather", { paymentIdentifier }));
    expect(lost).to.deep.include({ code: "payment_unanswered", values: { paymentIdentifier, url: "http://api.test" } });
    shop.way = (response) => response;
    await refusalOf(shop.client({ state }).fetch("http://api.test/weather", { paymentIdentifier }));
    expect(new Set(shop.sent).size).to.equal(1);
    expect(shop.settledAmounts()).to.deep.equal(["20"]);
    const conflict = await refusalOf(shop.client({ state }).fetch("http://api.test/foreign", { paymentIdentifier }));
    expect(conflict.code).to.equal("payment_identifier_conflict");
  });

  it("signs one payment for two calls with one identifier at the same time", async () => {
    const state = memoryState();
    const paymentIdentifier = "request-0123456789";
    const calls = [shop.client({ state }), shop.client({ state })].map((paying) =>
      paying.fetch("http://api.test/weather", { paymentIdentifier }).catch((error: unknown) => error),
    );
    await Promise.all(calls);
    expect(new Set(shop.sent).size).to.equal(1);
    expect(shop.settledAmounts()).to.deep.equal(["20"]);
  });

  it("does not send a payment again that the caller has given up", async () => {
    const abort = new AbortController();
    shop.way = (response, header) => {
      if (header === undefined) return response;
      abort.abort(new Error("enough"));
      throw new TypeError("aborted");
    };
    const given = shop.client().fetch("http://api.test/weather", { signal: abort.signal });
    expect(await given.catch((error: unknown) => error)).to.be.instanceOf(TypeError);
    expect(shop.sent).to.have.length(1);
  });

  describe("signs nothing", () => {
    afterEach(() => {
      expect(shop.sent).to.deep.equal([]);
      expect(shop.facilitator.verifications).to.equal(0);
    });

    it("for a token that it was not told of", async () => {
      const error = await refusalOf(shop.client().fetch("http://api.test/foreign"));
      expect(error).to.deep.include({ code: "asset_not_allowed", values: { asset: otherToken, amount: 7n } });
      expect(error.message).to.contain("allowedAssets");
    });

    it("without a ceiling", async () => {
      const unlimited = createClient({ gateway: testNetwork.gateway, network: testNetwork, signer, fetch: shop.fetch });
      const error = await refusalOf(unlimited.fetch("http://api.test/weather"));
      expect(error.code).to.equal("asset_not_allowed");
      expect(error.message).to.contain("maxAmount");
    });

    it("above the ceiling for a call", async () => {
      const error = await refusalOf(shop.client({ maxAmount: 19n }).fetch("http://api.test/weather"));
      expect(error).to.deep.include({
        code: "price_above_maximum",
        values: { amount: 30n, maxAmount: 19n, asset: opg },
      });
    });

    it("on another chain", async () => {
      const elsewhere = shop.client({ network: { ...testNetwork, chainId: 1 } });
      const error = await refusalOf(elsewhere.fetch("http://api.test/weather"));
      expect(error.code).to.equal("unpayable_offer");
      expect(error.values["why"]).to.equal("on another chain (eip155:31337)");
    });

    it("for an identifier that is none", async () => {
      const error = await refusalOf(shop.client().fetch("http://api.test/weather", { paymentIdentifier: "../../etc" }));
      expect(error.code).to.equal("configuration");
    });
  });

  it("pays with another token within that token's own limits", async () => {
    const allowedAssets = { [otherToken.toLowerCase()]: { maxAmount: 7n, maxPerDay: 10n } };
    const paying = shop.client({ allowedAssets });
    await paying.fetch("http://api.test/foreign");
    const error = await refusalOf(paying.fetch("http://api.test/foreign"));
    expect(error.code).to.equal("spending_limit_reached");
    expect(error.values).to.include({ asset: otherToken, spent: 7n, limit: 10n });
    await paying.fetch("http://api.test/weather");
  });

  it("takes the next way to pay when the day's limit of the first is reached", async () => {
    const paying = shop.client({ maxPerDay: 30n, allowedAssets: { [otherToken]: { maxAmount: 5n } } });
    await paying.fetch("http://api.test/weather");
    await paying.fetch("http://api.test/weather");
    expect(shop.settledAmounts()).to.deep.equal(["20", "1"]);
  });

  it("pays with the token that the wallet holds, where it can ask the chain", async () => {
    const asked: string[] = [];
    const chain: Fetch = async (url, init) => {
      if (url !== testNetwork.rpcUrl) return shop.fetch(url, init);
      const { params } = JSON.parse(String(init.body)) as { params: [{ to: string }] };
      asked.push(params[0].to);
      const balance = params[0].to === opg ? "0" : "9";
      return Response.json({ jsonrpc: "2.0", id: 1, result: `0x${balance.padStart(64, "0")}` });
    };
    const paying = shop.client({ fetch: chain, allowedAssets: { [otherToken]: { maxAmount: 5n } } });
    await paying.fetch("http://api.test/weather");
    expect(asked).to.have.members([opg, otherToken]);
    expect(shop.settledAmounts()).to.deep.equal(["1"]);
  });

  it("keeps to a host's limit, and to the day's over all hosts", async () => {
    const paying = shop.client({ maxPerHost: 25n, maxPerDay: 45n });
    await paying.fetch("http://one.test/weather");
    expect((await refusalOf(paying.fetch("http://one.test/weather"))).values["option"]).to.equal("maxPerHost");
    await paying.fetch("http://two.test/weather");
    expect((await refusalOf(paying.fetch("http://three.test/weather"))).values["option"]).to.equal("maxPerDay");
  });

  it("never exceeds a limit by calls at the same time", async () => {
    const paying = shop.client({ maxPerDay: 60n });
    await Promise.all(
      Array.from({ length: 10 }, () => paying.fetch("http://api.test/weather").catch((error: unknown) => error)),
    );
    expect(shop.settledAmounts()).to.deep.equal(["20", "20", "20"]);
  });

  it("gives nonces of one word", async () => {
    const paying = shop.client();
    await paying.fetch("http://api.test/weather");
    await paying.fetch("http://api.test/weather");
    const [first, second] = [...shop.facilitator.settled.keys()].map(BigInt);
    expect(second).to.equal(first! + 1n);
  });

  it("says when the wallet is empty, and counts what was signed all the same", async () => {
    shop.facilitator.lacksBalance = true;
    const paying = shop.client({ maxPerDay: 20n });
    const error = await refusalOf(paying.fetch("http://api.test/weather"));
    expect(error.code).to.equal("permit2_insufficient_balance");
    expect(error.message).to.contain(signer.address);
    expect((await paying.receipts())[0]).to.include({ state: "refused", reason: "permit2_insufficient_balance" });
    expect((await refusalOf(paying.fetch("http://api.test/weather"))).code).to.equal("spending_limit_reached");
  });

  it("counts nothing that the wallet would not sign", async () => {
    const declining = { address: signer.address, signTypedData: () => Promise.reject(new Error("declined")) };
    const state = memoryState();
    const declined = await shop
      .client({ state, signer: declining, maxPerDay: 20n })
      .fetch("http://api.test/weather")
      .catch((error: unknown) => error);
    expect(declined).to.have.property("message", "declined");
    await shop.client({ state, maxPerDay: 20n }).fetch("http://api.test/weather");
    expect(shop.settledAmounts()).to.deep.equal(["20"]);
  });
});
