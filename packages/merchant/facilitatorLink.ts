import { type FacilitatorClient, FacilitatorResponseError, HTTPFacilitatorClient } from "@x402/core/server";
import type {
  PaymentPayload,
  PaymentRequirements,
  SettleResponse,
  SupportedResponse,
  VerifyResponse,
} from "@x402/core/types";
import { PAYMENT_IDENTIFIER } from "../protocol/paymentIdentifier.ts";
import { readSignedPayment, type SignedPayment } from "./signedPayment.ts";

/** What the link needs to know of the merchant's other payments. */
export interface LinkDependencies {
  clock: () => number;
  /** For as many seconds at least a payment has to hold from now on. */
  neededSeconds: number;
  isSettling: (id: string) => boolean;
  /** It is not known whether a payment is claimed now; whoever asked to have it verified is told to come again. */
  onUnknown: (signed: SignedPayment, payment: PaymentPayload, requirements: PaymentRequirements) => void;
}

/**
 * x402's client of a facilitator, with a secret that nobody else knows: what was verified with it is settled by it alone, and
 * a charge of nothing gives the payer's money free at once.
 */
export class FacilitatorLink implements FacilitatorClient {
  readonly #client: HTTPFacilitatorClient;
  readonly #dependencies: LinkDependencies;

  constructor(url: string, dependencies: LinkDependencies) {
    const mine = { Authorization: `Bearer ${globalThis.crypto.randomUUID()}` };
    const createAuthHeaders = () => Promise.resolve({ verify: mine, settle: mine, supported: {} });
    this.#client = new HTTPFacilitatorClient({ url, createAuthHeaders });
    this.#dependencies = dependencies;
  }

  getSupported(): Promise<SupportedResponse> {
    return this.#client.getSupported();
  }

  /**
   * Verifies and claims.
   *
   * @throws FacilitatorResponseError where no answer came; that is nothing that the payer has to answer for
   */
  async verify(payment: PaymentPayload, requirements: PaymentRequirements): Promise<VerifyResponse> {
    const { clock, neededSeconds, isSettling, onUnknown } = this.#dependencies;
    const signed = readSignedPayment(payment, clock());
    if (signed && isSettling(signed.id)) return { isValid: false, invalidReason: "permit2_invalid_nonce" };
    if (signed && signed.settleBy < clock() + neededSeconds) {
      return { isValid: false, invalidReason: "permit2_deadline_expired" };
    }
    try {
      return await this.#client.verify(withoutIdentifier(payment), requirements);
    } catch (cause) {
      if (signed) onUnknown(signed, payment, requirements);
      throw new FacilitatorResponseError(cause instanceof Error ? cause.message : "The facilitator did not answer.");
    }
  }

  settle(payment: PaymentPayload, requirements: PaymentRequirements): Promise<SettleResponse> {
    return this.#client.settle(withoutIdentifier(payment), requirements);
  }
}

/**
 * Under its payment-identifier a facilitator lets the same payment pass a second time, for merchants that keep their answers.
 * A stream is not kept, and would be served twice.
 */
function withoutIdentifier(payment: PaymentPayload): PaymentPayload {
  const { extensions } = payment;
  if (extensions?.[PAYMENT_IDENTIFIER] === undefined) return payment;
  const others = Object.entries(extensions).filter(([name]) => name !== PAYMENT_IDENTIFIER);
  return { ...payment, extensions: Object.fromEntries(others) };
}
