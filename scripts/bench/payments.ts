import { randomBytes } from "node:crypto";
import type { Wallet } from "ethers";
import { proxyAddresses, type ProxyAuthorization, proxyTypedData } from "#protocol/proxyPayment.ts";

/** What a merchant asks for, and a payer signs. */
export interface BenchTerms {
  chainId: number;
  token: string;
  payTo: string;
  /** Who settles: goes into the witness and into `extra`. */
  facilitator: string;
  amount: bigint;
}

const LIFETIME_SECONDS = 3600;

/** Bodies of `/verify` and `/settle` for distinct payments, in turns from each payer, with nonces in one word each. */
export async function signPayments(terms: BenchTerms, payers: readonly Wallet[], count: number): Promise<string[]> {
  const words = payers.map(() => BigInt(`0x${randomBytes(30).toString("hex")}`));
  const bodies: string[] = [];
  for (let index = 0; index < count; index++) {
    const turn = index % payers.length;
    const round = BigInt(Math.floor(index / payers.length));
    const nonce = (((words[turn] ?? 0n) + round / 256n) << 8n) | (round % 256n);
    bodies.push(await signPayment(terms, payers[turn] as Wallet, nonce));
  }
  return bodies;
}

async function signPayment(terms: BenchTerms, payer: Wallet, nonce: bigint): Promise<string> {
  const { chainId, token, payTo, facilitator, amount } = terms;
  const authorization: ProxyAuthorization = {
    from: payer.address,
    permitted: { token, amount },
    spender: proxyAddresses.upto,
    nonce,
    deadline: BigInt(Math.floor(Date.now() / 1000) + LIFETIME_SECONDS),
    witness: { to: payTo, facilitator, validAfter: 0n },
  };
  const { domain, types, value } = proxyTypedData("upto", authorization, BigInt(chainId));
  const signature = await payer.signTypedData(domain, types, value);
  const accepted = {
    scheme: "upto",
    network: `eip155:${chainId}`,
    amount: amount.toString(),
    asset: token,
    payTo,
    maxTimeoutSeconds: LIFETIME_SECONDS,
    extra: { assetTransferMethod: "permit2", facilitatorAddress: facilitator },
  };
  const payload = { signature, permit2Authorization: authorization };
  const body = {
    x402Version: 2,
    paymentPayload: { x402Version: 2, accepted, payload },
    paymentRequirements: accepted,
  };
  return JSON.stringify(body, (_, part: unknown) => (typeof part === "bigint" ? part.toString() : part));
}
