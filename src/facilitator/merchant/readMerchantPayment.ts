import { createHash } from "node:crypto";
import { z } from "zod";
import { type Refusal, refused } from "#facilitator/checks/check.ts";
import { checkProxyEnvelope, proxySchemeOf } from "#facilitator/checks/checkProxyEnvelope.ts";
import type { MerchantPayment, ProxyTerms } from "#facilitator/checks/proxyPayment.ts";
import { readPart } from "#facilitator/readPart.ts";
import { envelopeOf, type PaymentBody } from "#facilitator/readPayment.ts";
import { allowancePermitIn } from "#protocol/gasSponsoring.ts";
import { address, uint } from "#protocol/hex.ts";
import { paymentIdentifierIn } from "#protocol/paymentIdentifier.ts";
import { proxyPayloadJson, proxyPaymentDigest } from "#protocol/proxyPayment.ts";
import { fastKeccak } from "#service/fastKeccak.ts";

const requirementsJson = z.object({ network: z.string(), amount: uint(256), asset: address, payTo: address });
const payerJson = z.looseObject({ permit2Authorization: z.looseObject({ from: address }) });

/**
 * Reads what a merchant sent to `/verify` or `/settle`.
 *
 * @param authorization - header of that name: any secret of the merchant's own choice
 * @returns the payment, or why its kind is not served
 * @throws OpgError `invalid_body` naming the field
 */
export function readMerchantPayment(
  body: PaymentBody,
  terms: ProxyTerms,
  authorization: string | undefined,
): MerchantPayment | Refusal {
  const envelope = envelopeOf(body);
  const checked = checkProxyEnvelope(envelope, terms);
  if (!checked.ok) return checked;
  const scheme = proxySchemeOf(envelope) ?? "exact";
  const { payload, extensions, resource } = body.paymentPayload;
  if (typeof payload === "object" && payload !== null && !("permit2Authorization" in payload)) {
    const words = `Payments of scheme "${scheme}" are settled by way of Permit2 here; sign a permit2Authorization.`;
    return refused("unsupported_payload_type", words);
  }
  const read = readPart("paymentPayload.payload", proxyPayloadJson[scheme], payload);
  return {
    scheme,
    ...read,
    digest: proxyPaymentDigest(scheme, read.permit2Authorization, terms.chainId, fastKeccak),
    requirements: readPart("paymentRequirements", requirementsJson, body.paymentRequirements),
    merchant: authorization === undefined ? null : createHash("sha256").update(authorization).digest("hex"),
    resource: resource?.url ?? null,
    permit: allowancePermitIn(extensions),
    identifier: paymentIdentifierIn(extensions) ?? null,
  };
}

/** Who pays, as far as it can be read. */
export function payerIn({ paymentPayload }: PaymentBody): string | undefined {
  return payerJson.safeParse(paymentPayload.payload).data?.permit2Authorization.from;
}
