import { encodePaymentRequiredHeader } from "@x402/core/http";
import { expect } from "chai";
import { Hono } from "hono";
import { createClient } from "#client/index.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { refusalOf, signer } from "./shop.ts";
import { merchant, testNetwork } from "./testNetwork.ts";

const extra = { assetTransferMethod: "permit2" };
const entry = {
  scheme: "exact",
  network: "eip155:31337",
  amount: "5",
  asset: testNetwork.contracts.opg,
  payTo: merchant,
};

/** A server that takes every payment, and remembers what it was sent. */
function takingApp() {
  const app = new Hono();
  const seen: { path: string; paid: boolean; body: string }[] = [];
  const elsewhere = { url: "" };
  app.use(async (context, next) => {
    const { path } = context.req;
    seen.push({ path, paid: context.req.header("payment-signature") !== undefined, body: await context.req.text() });
    await next();
  });
  app.get("/moved", (context) => context.redirect(`${elsewhere.url}/paid`, 307));
  app.get("/breaking", (context) => {
    // The first answer to a payment never arrives.
    if (seen.filter(({ paid }) => paid).length !== 1) return context.text("kept");
    const { outgoing } = context.env as { outgoing: { destroy(): void } };
    outgoing.destroy();
    return context.text("");
  });
  app.get("/paid-and-moved", (context) => context.redirect(`${elsewhere.url}/paid`, 307));
  app.all("*", (context) => context.text("sold"));
  const asking = new Hono();
  asking.all("*", async (context) => {
    const paid = context.req.header("payment-signature") !== undefined;
    if (paid || context.req.path === "/moved") return app.fetch(context.req.raw, context.env);
    seen.push({ path: context.req.path, paid, body: await context.req.text() });
    const offer = { x402Version: 2, accepts: [{ ...entry, maxTimeoutSeconds: 60, extra }] };
    return context.text("", 402, { "payment-required": encodePaymentRequiredHeader(offer as never) });
  });
  return { app: asking, seen, elsewhere };
}

describe("client.fetch over the platform's own fetch", () => {
  const [here, there] = [takingApp(), takingApp()];
  const servers: Awaited<ReturnType<typeof startHttpServer>>[] = [];
  const client = createClient({ gateway: testNetwork.gateway, network: testNetwork, signer, maxAmount: 5n });

  before(async () => {
    for (const { app } of [here, there]) servers.push(await startHttpServer(app, { host: "127.0.0.1", port: 0 }));
    here.elsewhere.url = servers[1]!.url;
  });

  beforeEach(() => {
    here.seen.length = there.seen.length = 0;
  });

  after(() => Promise.all(servers.map((server) => server.close(0))));

  const at = (path: string): string => `${servers[0]!.url}${path}`;

  it("pays, with the body sent twice", async () => {
    const body = new URLSearchParams({ question: "how much?" });
    const response = await client.fetch(new URL(at("/sold")), { method: "POST", body });
    expect(await response.text()).to.equal("sold");
    expect(here.seen.map(({ paid }) => paid)).to.deep.equal([false, true]);
    expect(here.seen.map((request) => request.body)).to.deep.equal(Array(2).fill("question=how+much%3F"));
  });

  it("takes a Request as fetch does", async () => {
    const request = new Request(at("/sold"), { method: "PUT", body: "content" });
    expect(await (await client.fetch(request)).text()).to.equal("sold");
  });

  it("sends the same payment again when the connection breaks", async () => {
    expect(await (await client.fetch(at("/breaking"))).text()).to.equal("kept");
    expect(here.seen.filter(({ paid }) => paid)).to.have.length(2);
    expect((await client.receipts()).at(-1)).to.include({ state: "answered", amount: 5n });
  });

  it("pays nobody where a redirect led", async () => {
    const error = await refusalOf(client.fetch(at("/moved")));
    expect(error).to.deep.include({ code: "invalid_offer", values: { field: "url", url: `${servers[1]!.url}/paid` } });
    expect(there.seen.map(({ paid }) => paid)).to.deep.equal([false]);
  });

  it("takes no payment along a redirect", async () => {
    const response = await client.fetch(at("/paid-and-moved"));
    expect(response.status).to.equal(307);
    expect(there.seen).to.deep.equal([]);
  });

  it("fails as fetch does where nothing answers, before any payment", async () => {
    const failed = await client.fetch("http://127.0.0.1:9/").catch((error: unknown) => error);
    expect(failed).to.be.instanceOf(TypeError);
  });
});
