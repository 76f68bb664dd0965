import type { PaymentRequired } from "@x402/core/types";
import { type ErrorCode, errorStatus, OpgError } from "../protocol/errors.ts";
import { PERMIT2 } from "../protocol/payment.ts";
import { readOffer } from "./readOffer.ts";
import { readSettleResponse } from "./settleResponse.ts";

const HOW_TO_APPROVE = "https://eips.ethereum.org/EIPS/eip-20#approve";
/** Of a refusal's body no more is read. */
const MAX_BODY_BYTES = 65_536;

/** Why a server took no payment. */
export interface Refusal {
  /** x402's or our own word for it; `unknown` where the server has none. */
  reason: string;
  /** The server's own typed error, if its body is one. */
  error: OpgError | undefined;
  /** The offer that came with it. */
  required: PaymentRequired | undefined;
}

/** Who asked to pay what. */
export interface RefusedPayment {
  payer: string;
  asset: string;
  amount: bigint;
}

/** Reads an answer to a payment. @returns nothing for an answer that is no refusal: it is the caller's, unread */
export async function readRefusal(answer: Response): Promise<Refusal | undefined> {
  if (answer.status !== 402 && answer.status !== 412) return undefined;
  const required = readOfferAgain(answer.headers);
  if (answer.status === 412 && required?.error !== "permit2_allowance_required") return undefined;
  const error = OpgError.fromBody(await readSmallJson(answer));
  const reason = error?.code ?? required?.error ?? readSettleResponse(answer.headers)?.errorReason;
  return { reason: reason?.replace(/[^\w:./ -]/g, "?").slice(0, 100) ?? "unknown", error, required };
}

/** Says in words what a payer can do about a refusal. */
export function explainRefusal({ reason, error }: Refusal, payment: RefusedPayment): OpgError {
  const { payer, asset, amount } = payment;
  const values = { ...error?.values, reason, payer, asset, amount };
  switch (reason) {
    case "permit2_allowance_required":
      return allowanceRequired(asset, { ...values, need: error?.values["need"] ?? amount });
    case "permit2_insufficient_balance": {
      const message = `The payer ${payer} holds less than ${amount} atomic units of ${asset}; top up the wallet, then ask again.`;
      return new OpgError(reason, message, values);
    }
    case "permit2_invalid_nonce": {
      const message = `The server says that this payment was used before, so nothing more was paid; ask again for a new one.`;
      return new OpgError(reason, message, values);
    }
    case "invalid_permit2_signature": {
      const message = `The server does not find the signature to be ${payer}'s; check that the signer has that address and signs for the right chain.`;
      return new OpgError(reason, message, values);
    }
    default:
      return error ?? unexplained(reason, values);
  }
}

/** How to let Permit2 move a token, once and for all. */
export function allowanceRequired(token: string, values: OpgError["values"]): OpgError {
  const message = `Permit2 may not move the payer's tokens yet: call approve(${PERMIT2}, amount) on the token ${token} once (${HOW_TO_APPROVE}), or create the client with allowance: "permit" where the server pays the gas for it; then ask again.`;
  return new OpgError("permit2_allowance_required", message, {
    ...values,
    token,
    spender: PERMIT2,
    link: HOW_TO_APPROVE,
  });
}

function unexplained(reason: string, values: OpgError["values"]): OpgError {
  const message = `The server refused the payment ("${reason}"), and no second one was signed; what was signed counts against today's limits, because it can be used until it expires. Ask the provider.`;
  return new OpgError(isCode(reason) ? reason : "payment_refused", message, values);
}

function isCode(reason: string): reason is ErrorCode {
  return Object.hasOwn(errorStatus, reason);
}

/** A refusal stays one where its header cannot be read. */
function readOfferAgain(headers: Headers): PaymentRequired | undefined {
  try {
    return readOffer(headers);
  } catch {
    return undefined;
  }
}

async function readSmallJson(answer: Response): Promise<unknown> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      size += part.value.length;
      if (size > MAX_BODY_BYTES) break;
      text += decoder.decode(part.value, { stream: true });
    }
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}
