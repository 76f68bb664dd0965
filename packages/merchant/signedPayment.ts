import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { proxyPayloadJson, proxyPaymentDigest, type ProxyScheme, proxySchemes } from "../protocol/proxyPayment.ts";

/** Facilitators keep a claim for a day at most, however long the authorization holds. */
const MAX_CLAIM_SECONDS = 86_400;

/** What a payer signed. */
export interface SignedPayment {
  /** EIP-712 digest of the authorization. */
  id: string;
  payer: string;
  /** At most this much, atomic units. */
  authorized: bigint;
  /** Not to be settled after this, seconds since 1970: the payment's deadline, or the end of the time that was asked for. */
  settleBy: number;
}

/** Reads a payment by Permit2; nothing where it is none. */
export function readSignedPayment(
  { accepted, payload }: PaymentPayload,
  { maxTimeoutSeconds }: Pick<PaymentRequirements, "maxTimeoutSeconds">,
  nowSeconds: number,
): SignedPayment | undefined {
  const scheme = proxySchemes.find((name): name is ProxyScheme => name === accepted.scheme);
  const chainId = /^eip155:([0-9]{1,18})$/.exec(accepted.network)?.[1];
  if (scheme === undefined || chainId === undefined) return undefined;
  const parsed = proxyPayloadJson[scheme].safeParse(payload);
  if (!parsed.success) return undefined;
  const { permit2Authorization: authorization } = parsed.data;
  const { from: payer, permitted, deadline } = authorization;
  const latest = nowSeconds + Math.min(Math.floor(maxTimeoutSeconds), MAX_CLAIM_SECONDS);
  return {
    id: proxyPaymentDigest(scheme, authorization, BigInt(chainId)),
    payer,
    authorized: permitted.amount,
    settleBy: deadline < BigInt(latest) ? Number(deadline) : latest,
  };
}
