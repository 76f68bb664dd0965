// Pays an x402 server with x402's own client: PAYER_KEY=0x... node examples/merchant/pay.mjs [URL]
import { UptoEvmScheme } from "@x402/evm";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";

const url = process.argv[2] ?? "http://127.0.0.1:4021/weather";
const answer = await fetch(`${process.env.GATEWAY ?? "http://127.0.0.1:8402"}/network.json`);
const { chainId, contracts, rpcUrl } = await answer.json();

const network = `eip155:${chainId}`;
const payer = privateKeyToAccount(process.env.PAYER_KEY);
const client = new x402Client().register(network, new UptoEvmScheme(payer, { rpcUrl }));
// The two lines that OPG needs: x402's client pays in the tokens of its own list only, unless told of others.
const allowedAssets = [{ network, asset: contracts.opg, maxAmountPerPayment: "1000000000000000000" }]; // at most 1 OPG
client.setSpendControls({ allowedAssets });

const response = await wrapFetchWithPayment(fetch, client)(url);
console.log(response.status, await response.text());
const settled = response.headers.get("PAYMENT-RESPONSE");
if (settled) console.log(decodePaymentResponseHeader(settled));
