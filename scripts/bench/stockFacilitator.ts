import { serve } from "@hono/node-server";
import { x402Facilitator } from "@x402/core/facilitator";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { UptoEvmScheme } from "@x402/evm/upto/facilitator";
import { Hono } from "hono";
import { createWalletClient, defineChain, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";

/** The facilitator that x402's own packages make, as their examples put it together: the peer of our figures. */
const { OPG_RPC_URL: rpcUrl = "", OPG_CHAIN_ID: chainId = "", OPG_FACILITATOR_KEY: key = "" } = process.env;
const ether = { name: "Ether", symbol: "ETH", decimals: 18 };
const chain = defineChain({
  id: Number(chainId),
  name: "local",
  nativeCurrency: ether,
  rpcUrls: { default: { http: [rpcUrl] } },
});
const account = privateKeyToAccount(key as `0x${string}`);
const client = createWalletClient({ account, chain, transport: http(rpcUrl), pollingInterval: 100 }).extend(
  publicActions,
);
const signer = toFacilitatorEvmSigner({ ...client, address: account.address } as never);
const facilitator = new x402Facilitator().register(`eip155:${Number(chainId)}`, new UptoEvmScheme(signer));

interface Body {
  paymentPayload: PaymentPayload;
  paymentRequirements: PaymentRequirements;
}

const app = new Hono();
app.get("/supported", (context) => context.json(facilitator.getSupported()));
app.post("/verify", async (context) => {
  const { paymentPayload, paymentRequirements } = await context.req.json<Body>();
  return context.json(await facilitator.verify(paymentPayload, paymentRequirements));
});
app.post("/settle", async (context) => {
  const { paymentPayload, paymentRequirements } = await context.req.json<Body>();
  return context.json(await facilitator.settle(paymentPayload, paymentRequirements));
});

const server = serve(
  { fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env["OPG_PORT"] ?? 0) },
  (address) => {
    process.stdout.write(`${JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${address.port}` })}\n`);
  },
);
process.once("SIGTERM", () => server.close(() => process.exit()));
