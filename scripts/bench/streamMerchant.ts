import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "@hono/node-server";
import { HTTPFacilitatorClient, x402ResourceServer } from "@x402/core/server";
import { UptoEvmScheme } from "@x402/evm/upto/server";
import { paymentMiddleware } from "@x402/hono";
import { Hono } from "hono";
import { acceptPayments } from "#merchant/index.ts";
import { caip2 } from "#protocol/network.ts";
import { loadNetwork } from "#service/loadNetwork.ts";

/**
 * One stream of a second, sold three ways by one server: `/free`, `/ours` through this project's package and facilitator, and
 * `/stock` through x402's own middleware and facilitator. `/settled` tells how many of ours were settled.
 */
const PIECES = 10;
const SECONDS = 1;
const AMOUNT = 1_000n;

const { OPG_NETWORK = "", BENCH_OURS = "", BENCH_STOCK = "", BENCH_PAY_TO: payTo = "" } = process.env;
const network = await loadNetwork(OPG_NETWORK);
const token = { name: "OPG", version: "1" };
const ended = { settled: 0, failed: 0 };

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < PIECES; piece++) {
    yield new TextEncoder().encode(`data: ${piece}\n\n`);
    await sleep((SECONDS * 1000) / PIECES);
  }
}

const stream = (): Response =>
  new Response(ReadableStream.from(pieces()), { headers: { "content-type": "text/event-stream" } });

const { paid } = acceptPayments({
  ...{ facilitator: BENCH_OURS, network: caip2(network), payTo },
  asset: { address: network.contracts.opg, ...token },
  routes: { "GET /ours": { scheme: "upto", amount: AMOUNT, charge: ({ bytes }) => BigInt(bytes) } },
  onSettled: () => (ended.settled += 1),
  onFailed: () => (ended.failed += 1),
});
const server = new x402ResourceServer(new HTTPFacilitatorClient({ url: BENCH_STOCK })).register(
  caip2(network),
  new UptoEvmScheme(),
);
const price = { asset: network.contracts.opg, amount: AMOUNT.toString(), extra: token };
const offer = { scheme: "upto", network: caip2(network), payTo, price, maxTimeoutSeconds: 600 };

const app = new Hono();
app.get("/settled", (context) => context.json(ended));
app.use(paymentMiddleware({ "GET /stock": { accepts: offer } }, server));
for (const path of ["/free", "/ours", "/stock"]) app.get(path, stream);

const listening = serve({ fetch: paid(app.fetch, { unlisted: app.fetch }), hostname: "127.0.0.1", port: 0 });
await once(listening, "listening");
const { port } = listening.address() as AddressInfo;
process.stdout.write(`${JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` })}\n`);
