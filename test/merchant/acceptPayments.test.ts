import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import { wrapFetchWithPayment } from "@x402/fetch";
import { expect } from "chai";
import { acceptPayments, type MerchantOptions, OpgError } from "#merchant/index.ts";
import { until } from "#test/integration/chainControl.ts";
import { stockClient } from "#test/integration/stockClient.ts";
import { AMOUNT, bySize, PER_BYTE, type SellingNetwork, type Shop, startSellingNetwork } from "./sellingNetwork.ts";
import { nextText, stagedBody } from "./stagedBody.ts";

describe("acceptPayments", function () {
  this.timeout(90_000);
  let net: SellingNetwork;

  before(async () => {
    net = await startSellingNetwork();
  });
  after(() => net.close());

  const exact = { scheme: "exact", amount: AMOUNT } as const;
  const pay = async (url: string, balance = AMOUNT) => {
    const payer = await net.makePayer(balance);
    return { payer, answering: wrapFetchWithPayment(fetch, stockClient(net.network, payer))(url) };
  };
  const settlements = (shop: Shop, count: number) => until(async () => shop.settled.length >= count);

  it("asks for payment as x402's servers do, once more for HEAD, and refuses what is not sold", async () => {
    const shop = await net.open({ "GET /paid/:id": { ...exact, description: "a report" } }, () => new Response("free"));
    expect((await fetch(`${shop.url}/else`)).status).to.equal(404);
    expect((await fetch(`${shop.url}/paid/7`, { method: "POST" })).status).to.equal(404);
    const answer = await fetch(`${shop.url}/paid/7`);
    expect([answer.status, await answer.text()]).to.deep.equal([402, "{}"]);
    const { accepts, resource } = decodePaymentRequiredHeader(answer.headers.get("payment-required") ?? "");
    expect(resource).to.deep.include({ url: `${shop.url}/paid/7`, description: "a report" });
    expect(accepts).to.have.length(1);
    expect(accepts[0]).to.deep.include({
      scheme: "exact",
      amount: "1000",
      payTo: net.merchant,
      maxTimeoutSeconds: 600,
    });
    expect((await fetch(`${shop.url}/paid/7`, { method: "HEAD" })).status).to.equal(402);
    const browser = { accept: "text/html", "user-agent": "Mozilla/5.0" };
    expect(await (await fetch(`${shop.url}/paid/7`, { headers: browser })).text()).to.include("<html");
  });

  it("charges nothing for an error or a handler that throws, and frees the payer's money at once", async () => {
    const shop = await net.open({ "GET /paid/:id": exact }, ({ url }) => {
      if (url.endsWith("thrown")) throw new Error("out of order");
      return new Response("no such report", { status: 404 });
    });
    for (const [name, status] of [
      ["missing", 404],
      ["thrown", 500],
    ] as const) {
      const { length } = shop.settled;
      const { payer, answering } = await pay(`${shop.url}/paid/${name}`);
      expect((await answering).status).to.equal(status);
      await settlements(shop, length + 1);
      expect(shop.settled[length]).to.deep.include({ amount: 0n, transaction: "" });
      expect(await net.outstandingOf(payer)).to.equal(0n);
      expect(await net.balanceOf(payer)).to.equal(AMOUNT);
    }
  });

  it("charges an answer without a body when it is complete", async () => {
    const shop = await net.open({ "GET /paid": exact }, () => new Response(null, { status: 204 }));
    const { answering } = await pay(`${shop.url}/paid`);
    expect((await answering).status).to.equal(204);
    await settlements(shop, 1);
    expect(shop.settled[0]).to.deep.include({ amount: AMOUNT });
  });

  it("charges neither more than was authorized nor less than nothing, and nothing where the charge fails", async () => {
    const charges: Record<string, () => bigint> = {
      high: () => AMOUNT + 1n,
      low: () => -1n,
      broken: () => {
        throw new Error("no tariff");
      },
      late: (async () => 1n) as unknown as () => bigint,
    };
    const routes = Object.fromEntries(
      Object.entries(charges).map(([name, charge]) => [
        `GET /${name}`,
        { scheme: "upto", amount: AMOUNT, charge } as const,
      ]),
    );
    const shop = await net.open(routes, () => new Response("sold"));
    let told = 0;
    for (const name of Object.keys(charges)) {
      const { answering } = await pay(`${shop.url}/${name}`);
      expect(await (await answering).text()).to.equal("sold");
      told += 1;
      await until(async () => shop.settled.length + shop.failed.length >= told);
    }
    expect(shop.settled.map(({ amount }) => amount)).to.deep.equal([AMOUNT, 0n]);
    expect(shop.failed.map(({ reason, amount, message }) => [reason, amount, message])).to.deep.equal([
      ["charge_failed", 0n, "The route's charge failed (no tariff); nothing is charged."],
      ["charge_failed", 0n, "The route's charge failed (it returned no bigint); nothing is charged."],
    ]);
  });

  it("ends a stream while its payment can still be settled, and charges for what was sent", async () => {
    const body = stagedBody();
    const shop = await net.open({ "GET /endless": bySize }, () => new Response(body.body), 600 - 60 - 3);
    const { answering } = await pay(`${shop.url}/endless`);
    const reader = (await answering).body!.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    body.send("01234");
    expect(await nextText(reader)).to.equal("01234");
    expect(await reader.read().catch(() => "ended")).to.equal("ended");
    await body.cancelled;
    await settlements(shop, 1);
    expect(shop.settled[0]).to.deep.include({ amount: 5n * PER_BYTE });
    expect(shop.settled[0]?.served.ending).to.equal("expired");
  });

  it("does not serve for a payment that ends too soon to be settled", async () => {
    const shop = await net.open({ "GET /paid": exact }, () => new Response("sold"), 590);
    const { payer, answering } = await pay(`${shop.url}/paid`);
    const answer = await answering;
    expect(answer.status).to.equal(402);
    const { error } = decodePaymentRequiredHeader(answer.headers.get("payment-required") ?? "");
    expect(error).to.equal("permit2_deadline_expired");
    expect(await net.outstandingOf(payer)).to.equal(0n);
  });

  it("blames nobody when the facilitator is away, and gives up what it may have claimed", async () => {
    let runs = 0;
    const shop = await net.open({ "GET /paid": exact }, () => new Response(`${++runs}`));
    const payer = await net.makePayer(AMOUNT);
    const header = await net.sign(payer, `${shop.url}/paid`);
    const send = () => fetch(`${shop.url}/paid`, { headers: { "payment-signature": header } });
    await net.stop();
    const answer = await send();
    expect(answer.status).to.equal(503);
    expect(OpgError.fromBody(await answer.json())?.code).to.equal("facilitator_unavailable");
    expect((await send()).status).to.equal(402);
    await net.start();
    await shop.close();
    expect(await net.outstandingOf(payer)).to.equal(0n);
    expect([runs, shop.settled.length, shop.failed.length]).to.deep.equal([0, 0, 0]);
    expect(await net.balanceOf(payer)).to.equal(AMOUNT);
  });

  it("waits for streams and settlements when it is closed, and takes nothing more", async () => {
    const body = stagedBody();
    const shop = await net.open({ "GET /paid": bySize }, () => new Response(body.body));
    const { answering } = await pay(`${shop.url}/paid`);
    const text = (await answering).text();
    let isClosed = false;
    const closing = shop.close().then(() => (isClosed = true));
    expect((await fetch(`${shop.url}/paid`)).status).to.equal(503);
    body.send("12345");
    expect(isClosed).to.equal(false);
    body.end();
    expect(await text).to.equal("12345");
    await closing;
    expect(shop.settled.map(({ amount }) => amount)).to.deep.equal([5n * PER_BYTE]);
  });

  it("sells what another server streams, as a proxy before it", async () => {
    const upstream = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream", "set-cookie": ["a=1", "b=2"] });
      response.write("data: 1\n\n");
      setTimeout(() => response.end("data: 2\n\n"), 200);
    }).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    const { port } = upstream.address() as AddressInfo;
    try {
      const shop = await net.open({ "GET /events": bySize }, ({ signal, url }) =>
        fetch(`http://127.0.0.1:${port}${new URL(url).pathname}`, { signal }),
      );
      const { answering } = await pay(`${shop.url}/events`);
      const answer = await answering;
      expect(answer.headers.getSetCookie()).to.deep.equal(["a=1", "b=2"]);
      expect(await answer.text()).to.equal("data: 1\n\ndata: 2\n\n");
      await settlements(shop, 1);
      expect(shop.settled[0]).to.deep.include({ amount: 18n * PER_BYTE });
    } finally {
      upstream.close();
      upstream.closeAllConnections();
    }
  });

  it("sells to who has no gas and no allowance", async () => {
    const shop = await net.open({ "GET /paid": exact }, () => new Response("sold"));
    const payer = await net.makePoorPayer(AMOUNT);
    const answer = await wrapFetchWithPayment(fetch, stockClient(net.network, payer))(`${shop.url}/paid`);
    expect([answer.status, await answer.text()]).to.deep.equal([200, "sold"]);
    await settlements(shop, 1);
    expect(await net.balanceOf(payer)).to.equal(0n);
  });

  for (const [option, changes] of Object.entries({
    facilitator: { facilitator: "nowhere" },
    payTo: { payTo: "0x12" },
    'routes["GET /a"].amount': { routes: { "GET /a": { ...exact, amount: 0n } } },
    'routes["GET /a"].charge': { routes: { "GET /a": { ...exact, charge: () => 1n } } },
    'routes["GET /a"].maxTimeoutSeconds': { routes: { "GET /a": { ...exact, maxTimeoutSeconds: 60 } } },
  })) {
    it(`names the option ${option} where it cannot be used`, () => {
      const options: MerchantOptions = {
        ...{ facilitator: "http://127.0.0.1:9", network: "eip155:1", payTo: net.merchant, routes: {} },
        asset: { address: net.network.contracts.opg, name: "OPG", version: "1" },
      };
      expect(() => acceptPayments({ ...options, ...changes })).to.throw(OpgError, option);
    });
  }
});
