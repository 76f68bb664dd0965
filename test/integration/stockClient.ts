import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import { ExactEvmScheme, UptoEvmScheme } from "@x402/evm";
import { x402Client } from "@x402/fetch";
import type { BaseWallet } from "ethers";
import { privateKeyToAccount } from "viem/accounts";
import { caip2, type Network } from "#protocol/network.ts";

/** An account as x402's packages take it. */
export function stockAccount({ privateKey }: BaseWallet) {
  return privateKeyToAccount(privateKey as `0x${string}`);
}

/** x402's own client as its users set it up: unmodified, with the two lines that a token off its list needs. */
export function stockClient(network: Network, payer: BaseWallet): x402Client {
  const account = stockAccount(payer);
  const { rpcUrl, contracts } = network;
  return new x402Client()
    .register(caip2(network), new UptoEvmScheme(account, { rpcUrl }))
    .register(caip2(network), new ExactEvmScheme(account, { rpcUrl }))
    .setSpendControls({ allowedAssets: [{ network: caip2(network), asset: contracts.opg }] });
}

/** Asks without a payment, and has x402's client sign the first offer that it can pay: a PAYMENT-SIGNATURE header. */
export async function stockHeader(client: x402Client, url: string, init: RequestInit = {}): Promise<string> {
  const response = await fetch(url, init);
  const required = decodePaymentRequiredHeader(response.headers.get("payment-required") ?? "");
  return encodePaymentSignatureHeader(await client.createPaymentPayload(required));
}
