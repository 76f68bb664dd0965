import { decodePaymentSignatureHeader } from "@x402/core/http";
import { expect } from "chai";
import type { Fetch } from "#client/index.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { openShop, refusalOf, type Shop } from "./shop.ts";
import { testNetwork } from "./testNetwork.ts";

const { opg } = testNetwork.contracts;

describe("client.fetch where Permit2 has no allowance", () => {
  let shop: Shop;

  /** The chain, as far as it is asked: the payer's nonce at the token is 5. */
  const chain: Fetch = async (url, init) =>
    url === testNetwork.rpcUrl
      ? Response.json({ jsonrpc: "2.0", id: 1, result: `0x${"5".padStart(64, "0")}` })
      : shop.fetch(url, init);

  beforeEach(() => {
    shop = openShop();
    shop.facilitator.lacksAllowance = true;
  });

  it("says in words what to do", async () => {
    const error = await refusalOf(shop.client().fetch("http://api.test/weather"));
    expect(error.code).to.equal("permit2_allowance_required");
    expect(error.message).to.contain(`approve(${PERMIT2}, amount)`).and.to.contain(opg).and.to.contain('"permit"');
    expect(error.values).to.include({ token: opg, spender: PERMIT2 });
  });

  it("signs the allowance and sends the same payment with it", async () => {
    const paying = shop.client({ allowance: "permit", fetch: chain });
    expect((await paying.fetch("http://api.test/weather")).status).to.equal(200);
    const [first, second] = shop.sent.map(decodePaymentSignatureHeader);
    expect(second?.payload).to.deep.equal(first?.payload);
    expect(second?.extensions?.["eip2612GasSponsoring"]).to.have.nested.property("info.nonce", "5");
    expect(shop.settledAmounts()).to.deep.equal(["20"]);
  });

  it("asks before it signs, where it is to ask", async () => {
    const asked: unknown[] = [];
    const allowance = (need: unknown): boolean => asked.push(need) > 1;
    const paying = shop.client({ allowance, fetch: chain });
    expect((await refusalOf(paying.fetch("http://api.test/weather"))).code).to.equal("permit2_allowance_required");
    expect((await paying.fetch("http://api.test/weather")).status).to.equal(200);
    expect(asked[0]).to.deep.equal({ asset: opg, amount: 20n, spender: PERMIT2 });
  });

  it("says so where the server does not pay the gas for it", async () => {
    const paying = shop.client({ allowance: "permit", fetch: chain });
    expect((await refusalOf(paying.fetch("http://api.test/unsponsored"))).code).to.equal("permit2_allowance_required");
    expect(shop.sent).to.have.length(1);
  });
});
