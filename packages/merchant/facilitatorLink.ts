import { type FacilitatorClient, FacilitatorResponseError, HTTPFacilitatorClient } from "@x402/core/server";
import {
  type PaymentPayload,
  type PaymentRequirements,
  type SettleResponse,
  type SupportedResponse,
  VerifyError,
  type VerifyResponse,
} from "@x402/core/types";
import { PAYMENT_IDENTIFIER } from "../protocol/paymentIdentifier.ts";
import { readSignedPayment, type SignedPayment } from "./signedPayment.ts";

/** The longest URL that facilitators read. */
const MAX_URL_LENGTH = 2_000;

/** What the link needs to know of the merchant's other payments. */
export interface LinkDependencies {
  clock: () => number;
  /** For as many seconds at least a payment has to hold from now on. */
  neededSeconds: number;
  /**
   * Ids of payments from before they are verified until it is known how they ended. None of them is asked about again: it
   * must not be given up for want of an answer while it is served.
   */
  held: Set<string>;
  /**
   * It is not known whether a payment is claimed now; whoever asked to have it verified is told to come again. It stays held.
   */
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
    const { clock, neededSeconds, held } = this.#dependencies;
    const nowSeconds = clock();
    const signed = readSignedPayment(payment, requirements, nowSeconds);
    // What cannot be read is the facilitator's to refuse.
    if (!signed) return this.#client.verify(asForwarded(payment), requirements);
    if (held.has(signed.id)) return { isValid: false, invalidReason: "permit2_invalid_nonce" };
    if (signed.settleBy < nowSeconds + neededSeconds) {
      return { isValid: false, invalidReason: "permit2_deadline_expired" };
    }
    held.add(signed.id);
    try {
      const answer = await this.#client.verify(asForwarded(payment), requirements);
      if (!answer.isValid) held.delete(signed.id);
      return answer;
    } catch (cause) {
      return this.#explain(cause, signed, { payment, requirements });
    }
  }

  /** What to make of a verification that ended in an error. @throws Error unless the facilitator refused the payment */
  #explain(
    cause: unknown,
    signed: SignedPayment,
    { payment, requirements }: { payment: PaymentPayload; requirements: PaymentRequirements },
  ): VerifyResponse {
    const { held, onUnknown } = this.#dependencies;
    const status = statusOf(cause);
    if (isRefusal(status)) held.delete(signed.id);
    else onUnknown(signed, payment, requirements);
    if (isRefusal(status) && cause instanceof VerifyError) {
      return { isValid: false, invalidReason: cause.invalidReason ?? "invalid_payload" };
    }
    if (status !== undefined && PAYERS_FAULT.has(status)) throw cause;
    throw new FacilitatorResponseError(cause instanceof Error ? cause.message : "The facilitator did not answer.");
  }

  settle(payment: PaymentPayload, requirements: PaymentRequirements): Promise<SettleResponse> {
    return this.#client.settle(asForwarded(payment), requirements);
  }
}

/** What the facilitator cannot read in a payment is its payer's to answer for. */
const PAYERS_FAULT: ReadonlySet<number> = new Set([400, 413, 422]);

/** HTTP status of an answer that was none of x402's; nothing where there was no answer, or none that can be read. */
function statusOf(cause: unknown): number | undefined {
  if (cause instanceof VerifyError) return cause.statusCode;
  const said =
    cause instanceof Error ? /^Facilitator verify failed \(([0-9]{3})\)/.exec(cause.message)?.[1] : undefined;
  return said === undefined ? undefined : Number(said);
}

/** Whether nothing can have been claimed; behind 408 there may be a facilitator that went on. */
function isRefusal(status: number | undefined): boolean {
  return status !== undefined && status >= 400 && status < 500 && status !== 408;
}

/** A payment as it is passed on. The URL of what is bought is optional, and facilitators read no longer ones. */
function asForwarded(payment: PaymentPayload): PaymentPayload {
  const { resource, ...others } = withoutIdentifier(payment);
  return resource === undefined || resource.url.length > MAX_URL_LENGTH ? others : { ...others, resource };
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
