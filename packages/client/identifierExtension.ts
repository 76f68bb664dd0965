import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { hexlify } from "ethers";
import { PAYMENT_IDENTIFIER } from "../protocol/paymentIdentifier.ts";
import type { RandomBytes } from "./fetch.ts";

const ID_BYTES = 16;

/** A payment identifier for a request that was given none. */
export function newIdentifier(randomBytes: RandomBytes): string {
  return hexlify(randomBytes(ID_BYTES)).replace("0x", "opg_");
}

/** The payment identifier as a payment carries it, where the server knows what to do with one. */
export function identifierExtension(required: PaymentRequired, id: string): Pick<PaymentPayload, "extensions"> {
  const declared: unknown = required.extensions?.[PAYMENT_IDENTIFIER];
  if (typeof declared !== "object" || declared === null) return {};
  const info: unknown = "info" in declared ? declared.info : undefined;
  return { extensions: { [PAYMENT_IDENTIFIER]: { info: { ...(typeof info === "object" ? info : {}), id } } } };
}
