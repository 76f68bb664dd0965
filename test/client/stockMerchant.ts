import { x402ResourceServer } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { UptoEvmScheme } from "@x402/evm/upto/server";
import { declareEip2612GasSponsoringExtension, declarePaymentIdentifierExtension } from "@x402/extensions";
import { paymentMiddleware } from "@x402/hono";
import { Hono } from "hono";
import type { Fetch } from "#client/index.ts";
import { FacilitatorStandIn } from "./facilitatorStandIn.ts";
import { merchant, otherToken, testNetwork } from "./testNetwork.ts";

const network = "eip155:31337";
const { opg } = testNetwork.contracts;

/** How a route is paid: x402's scheme, atomic units, of which token. */
function entry(scheme: string, amount: number, asset: string, assetTransferMethod = "permit2") {
  const extra = { name: "OPG", version: "1", assetTransferMethod };
  return { scheme, network, payTo: merchant, price: { amount: String(amount), asset, extra } } as const;
}

const extensions = {
  "payment-identifier": declarePaymentIdentifierExtension(),
  ...declareEip2612GasSponsoringExtension(),
};

const routes = {
  "/weather": {
    accepts: [entry("exact", 30, opg), entry("exact", 20, opg), entry("upto", 20, opg), entry("exact", 1, otherToken)],
    extensions,
  },
  "/upto": { accepts: entry("upto", 20, opg), extensions },
  "POST /echo": { accepts: entry("exact", 10, opg), extensions },
  "/foreign": { accepts: entry("exact", 7, otherToken), extensions },
  "/transfer": { accepts: entry("exact", 5, opg, "eip3009") },
  "/unsponsored": { accepts: entry("exact", 5, opg) },
};

/** An API of somebody else's behind x402's own Hono middleware. */
export function stockMerchant() {
  const facilitator = new FacilitatorStandIn();
  const server = new x402ResourceServer(facilitator)
    .register(network, new ExactEvmScheme())
    .register(network, new UptoEvmScheme());
  const app = new Hono();
  const seen = { runs: 0, requests: 0 };
  app.use(async (_, next) => {
    seen.requests += 1;
    await next();
  });
  app.get("/free", (context) => context.text("free"));
  app.use(paymentMiddleware(routes, server));
  app.use(async (_, next) => {
    seen.runs += 1;
    await next();
  });
  for (const path of ["/weather", "/upto", "/foreign", "/transfer", "/unsponsored"]) {
    app.get(path, (context) => context.json({ path }));
  }
  app.post("/echo", async (context) => context.text(await context.req.text()));
  const fetch: Fetch = async (url, init) => app.request(url, init);
  return { facilitator, seen, fetch };
}
