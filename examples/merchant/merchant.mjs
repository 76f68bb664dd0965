// An API of your own that is paid by the call: PAY_TO=0x... node examples/merchant/merchant.mjs
import { randomUUID } from "node:crypto";
import { serve } from "@hono/node-server";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { UptoEvmScheme } from "@x402/evm/upto/server";
import { declareEip2612GasSponsoringExtension as noGasNeeded } from "@x402/extensions";
import { paymentMiddleware, x402ResourceServer } from "@x402/hono";
import { Hono } from "hono";

// Chain, token and facilitator: every gateway serves them.
const answer = await fetch(`${process.env.GATEWAY ?? "http://127.0.0.1:8402"}/network.json`);
const { chainId, contracts, facilitators } = await answer.json();

// The paid handler in a dozen lines.
const network = `eip155:${chainId}`;
const price = { asset: contracts.opg, amount: "10000000000000000", extra: { name: "OPG", version: "1" } }; // 0.01 OPG
const offer = { scheme: "upto", network, price, payTo: process.env.PAY_TO };
const mine = { Authorization: `Bearer ${randomUUID()}` }; // Only who verified a payment can settle it.
const createAuthHeaders = async () => ({ verify: mine, settle: mine, supported: {} });
const facilitator = new HTTPFacilitatorClient({ url: facilitators[0].url, createAuthHeaders });
const server = new x402ResourceServer(facilitator).register(network, new UptoEvmScheme());
const app = new Hono();
app.use(paymentMiddleware({ "GET /weather": { accepts: offer, extensions: noGasNeeded() } }, server));
app.get("/weather", (context) => context.json({ weather: "sunny" }));
const port = Number(process.env.PORT ?? 4021);
serve({ fetch: app.fetch, port }, () => console.log(`listening at http://127.0.0.1:${port}/weather`));
