import { id, type Wallet } from "ethers";
import type { Network } from "#protocol/network.ts";
import { caip2 } from "#protocol/network.ts";
import {
  proxyAddresses,
  type ProxyAuthorization,
  proxyPayloadToJson,
  proxyPaymentDigest,
  proxyTypedData,
} from "#protocol/proxyPayment.ts";
import type { PaymentPlan } from "./drawPlan.ts";
import { accountOf } from "./payers.ts";

/** What a facilitator said to a merchant. */
export interface Told {
  call: "verify" | "settle";
  replica: number;
  /** Seconds since 1970. */
  at: number;
  success: boolean;
  reason?: string;
  transaction?: string;
}

/** A signed payment to a merchant, and what the merchant was told about it. */
export interface MerchantPayment {
  plan: PaymentPlan;
  payer: string;
  payee: string;
  /** Digest that the payer signed. */
  digest: string;
  nonce: bigint;
  /** Seconds since 1970. */
  deadline: number;
  /** What the merchant asks for in the end, atomic units. */
  due: bigint;
  /** Bodies of the two calls. */
  bodies: { verify: string; settle: string };
  told: Told[];
  /** Calls that got no answer which says how it ended, however often they were made. */
  unanswered: string[];
}

/** Signs a planned payment. Payers, merchants and nonces are the same for the same seed. */
export async function signPayment(
  network: Network,
  seed: number,
  index: number,
  plan: PaymentPlan,
): Promise<MerchantPayment> {
  const payer = accountOf(seed, "payer", plan.payer);
  const payee = accountOf(seed, "merchant", plan.merchant).address;
  const deadline = Math.floor(Date.now() / 1000) + plan.validSeconds;
  const nonce = BigInt(id(`chaos ${seed} nonce ${index}`));
  const entry = network.facilitators[0]?.entry ?? "";
  const authorization: ProxyAuthorization = {
    from: payer.address,
    permitted: { token: network.contracts.opg, amount: BigInt(plan.amount) },
    spender: proxyAddresses[plan.scheme],
    ...{ nonce, deadline: BigInt(deadline) },
    witness: { to: payee, ...(plan.scheme === "upto" ? { facilitator: entry } : {}), validAfter: 0n },
  };
  const due = BigInt(plan.scheme === "exact" ? plan.amount : (plan.amount * plan.settledPercent) / 100);
  const write = await bodiesOf(network, plan, payer, authorization);
  return {
    ...{ plan, payer: payer.address, payee, nonce, deadline, due, told: [], unanswered: [] },
    digest: proxyPaymentDigest(plan.scheme, authorization, BigInt(network.chainId)),
    bodies: { verify: write(BigInt(plan.amount)), settle: write(due) },
  };
}

async function bodiesOf(
  network: Network,
  { scheme, amount }: PaymentPlan,
  payer: Wallet,
  authorization: ProxyAuthorization,
) {
  const { domain, types, value } = proxyTypedData(scheme, authorization, BigInt(network.chainId));
  const signature = await payer.signTypedData(domain, types, value);
  const asked = {
    ...{ scheme, network: caip2(network), asset: network.contracts.opg, payTo: authorization.witness.to },
    ...{ amount: String(amount), maxTimeoutSeconds: 300 },
    extra: { name: "OPG", version: "1", assetTransferMethod: "permit2" },
  };
  const paymentPayload = {
    ...{ x402Version: 2, resource: { url: "http://merchant.test/", description: "", mimeType: "" }, accepted: asked },
    payload: proxyPayloadToJson({ signature, permit2Authorization: authorization }),
  };
  return (due: bigint): string =>
    JSON.stringify({ x402Version: 2, paymentPayload, paymentRequirements: { ...asked, amount: due.toString() } });
}
