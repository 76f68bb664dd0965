// Calls an address and pays if it asks for payment: PAYER_KEY=0x... node examples/client/fetch.mjs URL
import { createClient } from "@opg/client";
import { fileState } from "@opg/client/node";
import { Wallet } from "ethers";

const client = createClient({
  gateway: process.env.GATEWAY ?? "http://127.0.0.1:8402",
  signer: new Wallet(process.env.PAYER_KEY),
  maxAmount: 10n ** 16n, // at most 0.01 OPG for a call,
  maxPerDay: 10n ** 18n, // 1 OPG a day
  maxPerHost: 10n ** 17n, // and 0.1 OPG of it to one host
  allowance: "permit", // no gas needed to begin, where the server's facilitator submits permits
  state: fileState(process.env.STATE ?? "payments"), // kept over restarts, shared by processes
});

const response = await client.fetch(process.argv[2]);
console.log(response.status, await response.text());
const paid = (await client.receipts()).at(-1);
console.log(paid ? `at most ${paid.amount} atomic units of ${paid.asset} to ${paid.payTo}: ${paid.state}` : "free");
