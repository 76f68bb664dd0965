import type { PaymentFacts as ChainFacts } from "#chain/chainFacts.ts";
import type { PermitFacts } from "#chain/permitFacts.ts";
import type { AllowancePermit } from "#protocol/gasSponsoring.ts";
import type { ProxyPayload, ProxyScheme } from "#protocol/proxyPayment.ts";
import type { PaymentTerms } from "./payment.ts";

/** What the merchant asks for: x402's requirements, read. */
export interface ProxyRequirements {
  network: string;
  /** Atomic units. */
  amount: bigint;
  asset: string;
  payTo: string;
}

/** A payment by way of one of x402's proxies as it was sent, read but not checked. */
export interface ProxyPayment extends ProxyPayload {
  scheme: ProxyScheme;
  /** What the payer signed. */
  digest: string;
  requirements: ProxyRequirements;
  /** The payer's EIP-2612 permit for Permit2. */
  permit: AllowancePermit | "absent" | "malformed";
  /** x402's payment-identifier. */
  identifier: string | null;
}

/** The same, as a merchant's server sent it. */
export interface MerchantPayment extends ProxyPayment {
  /** SHA-256 of the secret that it sent along (`Authorization`), and without which it is then not settled. */
  merchant: string | null;
  /** URL of what is bought, where the payment names it. */
  resource: string | null;
}

/** What this facilitator settles payments of merchants for. */
export type ProxyTerms = Pick<PaymentTerms, "chainId" | "network" | "taskEscrow" | "facilitator" | "entry">;

/** What the chain, and our own claims, say about a payment at the moment of the check. */
export interface ProxyFacts extends ChainFacts {
  /** What the payer owes of this token at us, without this payment; atomic units. */
  outstanding: bigint;
  /** What the token says of its permits; absent where it has none, or where nobody asked. */
  permits?: PermitFacts;
}
