// A stream that is paid by the line, as far as it is read: PAY_TO=0x... node examples/merchant/stream.mjs
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "@hono/node-server";
import { acceptPayments } from "@opg/merchant";

// Chain, token and facilitator: every gateway serves them.
const answer = await fetch(`${process.env.GATEWAY ?? "http://127.0.0.1:8402"}/network.json`);
const { chainId, contracts, facilitators } = await answer.json();

const payments = acceptPayments({
  facilitator: facilitators[0].url,
  network: `eip155:${chainId}`,
  asset: { address: contracts.opg, name: "OPG", version: "1" },
  payTo: process.env.PAY_TO,
  // At most 0.01 OPG, 0.001 for each line.
  routes: { "GET /count": { scheme: "upto", amount: 10n ** 16n, charge: ({ chunks }) => BigInt(chunks) * 10n ** 15n } },
  onSettled: ({ amount, served }) => console.log(`settled ${amount} for ${served.bytes} bytes, ${served.ending}`),
  onFailed: ({ reason, message }) => console.error(`lost: ${reason}, ${message}`),
});

/** The handler knows nothing of payments; it is asked for what `routes` lists, and all else is answered 404. */
async function* lines() {
  for (let count = 1; count <= 5; count++) {
    yield new TextEncoder().encode(`data: ${count}\n\n`);
    await sleep(200);
  }
}
const count = () => new Response(ReadableStream.from(lines()), { headers: { "content-type": "text/event-stream" } });

const port = Number(process.env.PORT ?? 4022);
const server = serve({ fetch: payments.paid(count), port }, () =>
  console.log(`listening at http://127.0.0.1:${port}/count`),
);
process.once("SIGTERM", async () => {
  server.close();
  await payments.close(); // All that was sold is settled.
});
