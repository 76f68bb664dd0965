import { HTTPFacilitatorClient } from "@x402/core/http";
import type { PaymentPayload, PaymentRequirements, SettleResponse, VerifyResponse } from "@x402/core/types";
import { id, Wallet } from "ethers";
import { allowancePermitToJson, allowancePermitTypedData, GAS_SPONSORING } from "#protocol/gasSponsoring.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { PAYMENT_IDENTIFIER } from "#protocol/paymentIdentifier.ts";
import {
  proxyAddresses,
  type ProxyAuthorization,
  proxyPaymentDigest,
  proxyPayloadToJson,
  type ProxyScheme,
  proxyTypedData,
} from "#protocol/proxyPayment.ts";
import { type FacilitatorNetwork, startFacilitatorNetwork } from "#test/facilitator/facilitatorNetwork.ts";

/** What differs from a payment of 1000 atomic units of OPG to the merchant, under `upto` for our entry. */
export interface MerchantChanges {
  scheme?: ProxyScheme;
  amount?: bigint;
  nonce?: bigint;
  deadline?: number;
  token?: string;
  facilitator?: string;
  payTo?: string;
  /** In place of the payer's own. */
  signature?: string;
  identifier?: string;
  /** Signs an EIP-2612 permit of this nonce along. */
  permitNonce?: bigint;
}

/** Body of `/verify` and `/settle`. */
export interface MerchantBody {
  x402Version: number;
  paymentPayload: PaymentPayload;
  paymentRequirements: PaymentRequirements;
}

/** A facilitator's network, and what merchants and their payers do on it. */
export async function startMerchantNetwork() {
  const net = await startFacilitatorNetwork();
  const [listed] = net.network.facilitators;
  if (!listed) throw new Error("the network has a facilitator");
  return { ...net, entry: listed.entry, facilitator: listed.address, ...merchantsOn(net, listed.entry) };
}

export type MerchantNetwork = Awaited<ReturnType<typeof startMerchantNetwork>>;

function merchantsOn(net: FacilitatorNetwork, entry: string) {
  const chainId = BigInt(net.network.chainId);
  const merchant = new Wallet(id("merchant")).address;
  let nonces = 1000n;
  const pay = async (payer: Wallet, changes: MerchantChanges = {}): Promise<MerchantBody> => {
    const { scheme = "upto", amount = 1000n, token = net.network.contracts.opg, payTo = merchant } = changes;
    const now = (await net.provider.getBlock("latest"))?.timestamp ?? 0;
    const authorization: ProxyAuthorization = {
      from: payer.address,
      permitted: { token, amount },
      spender: proxyAddresses[scheme],
      nonce: changes.nonce ?? nonces++,
      deadline: BigInt(changes.deadline ?? now + 300),
      witness:
        scheme === "exact"
          ? { to: payTo, validAfter: 0n }
          : { to: payTo, facilitator: changes.facilitator ?? entry, validAfter: 0n },
    };
    const { domain, types, value } = proxyTypedData(scheme, authorization, chainId);
    const signature = changes.signature ?? (await payer.signTypedData(domain, types, value));
    const requirements: PaymentRequirements = {
      ...{ scheme, network: `eip155:${net.network.chainId}`, amount: amount.toString(), asset: token, payTo },
      ...{ maxTimeoutSeconds: 300, extra: { name: "OPG", version: "1", assetTransferMethod: "permit2" } },
    };
    const extensions = { ...identifying(changes), ...(await permitting(payer, changes, authorization, chainId)) };
    const paymentPayload: PaymentPayload = {
      x402Version: 2,
      resource: { url: "http://merchant/paid", description: "", mimeType: "text/plain" },
      accepted: requirements,
      payload: proxyPayloadToJson({ signature, permit2Authorization: authorization }),
      ...(Object.keys(extensions).length > 0 ? { extensions } : {}),
    };
    return { x402Version: 2, paymentPayload, paymentRequirements: requirements };
  };
  return { merchant, pay, digestOf: (body: MerchantBody): string => digestOf(body, chainId) };
}

function identifying({ identifier }: MerchantChanges) {
  return identifier === undefined ? {} : { [PAYMENT_IDENTIFIER]: { info: { required: false, id: identifier } } };
}

async function permitting(
  payer: Wallet,
  { permitNonce }: MerchantChanges,
  { permitted, deadline }: ProxyAuthorization,
  chainId: bigint,
) {
  if (permitNonce === undefined) return {};
  const unsigned = {
    from: payer.address,
    asset: permitted.token,
    amount: permitted.amount,
    nonce: permitNonce,
    deadline,
  };
  const { domain, types, value } = allowancePermitTypedData(unsigned, { name: "OPG", version: "1", chainId });
  const signature = await payer.signTypedData(domain, types, value);
  return { [GAS_SPONSORING]: allowancePermitToJson({ ...unsigned, spender: PERMIT2, signature }) };
}

function digestOf({ paymentPayload }: MerchantBody, chainId: bigint): string {
  const { permit2Authorization: written } = paymentPayload.payload as ReturnType<typeof proxyPayloadToJson>;
  const { permitted, nonce, deadline, witness } = written;
  const authorization = {
    ...written,
    permitted: { token: permitted.token, amount: BigInt(permitted.amount) },
    nonce: BigInt(nonce),
    deadline: BigInt(deadline),
    witness: { ...witness, validAfter: BigInt(witness.validAfter) },
  };
  return proxyPaymentDigest(paymentPayload.accepted.scheme as ProxyScheme, authorization, chainId);
}

/**
 * A merchant's server as the stock client of a facilitator makes it.
 *
 * @param secret - of its own choice, sent along where given
 */
export function merchantAt(url: string, secret?: string) {
  const headers = secret === undefined ? {} : { Authorization: `Bearer ${secret}` };
  const client = new HTTPFacilitatorClient({
    url,
    createAuthHeaders: () => Promise.resolve({ verify: headers, settle: headers, supported: {} }),
  });
  return {
    client,
    verify: ({ paymentPayload, paymentRequirements }: MerchantBody): Promise<VerifyResponse> =>
      client.verify(paymentPayload, paymentRequirements),
    /** @param amount - atomic units, where it is not all that was authorized */
    settle: ({ paymentPayload, paymentRequirements }: MerchantBody, amount?: bigint): Promise<SettleResponse> =>
      client.settle(
        paymentPayload,
        amount === undefined ? paymentRequirements : { ...paymentRequirements, amount: amount.toString() },
      ),
  };
}
