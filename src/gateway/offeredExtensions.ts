import { GAS_SPONSORING, gasSponsoringDeclaration } from "#protocol/gasSponsoring.ts";
import { PAYMENT_IDENTIFIER, paymentIdentifierDeclaration } from "#protocol/paymentIdentifier.ts";

/** x402 extensions that every offer declares; the facilitator acts on them. */
export const offeredExtensions: Record<string, unknown> = {
  [PAYMENT_IDENTIFIER]: paymentIdentifierDeclaration,
  [GAS_SPONSORING]: gasSponsoringDeclaration,
};
