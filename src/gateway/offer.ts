import { encodePaymentRequiredHeader } from "@x402/core/http";
import type { PaymentRequired, PaymentRequirements } from "@x402/core/types";
import type { Context } from "hono";
import { caip2 } from "#protocol/network.ts";
import { authorizationOf, paymentTypedDataJson, TASK_SCHEME } from "#protocol/payment.ts";
import { type Task, taskToJson } from "#protocol/task.ts";
import type { Gateway } from "./gateway.ts";

/** How long a payer may think about an offer. */
const QUOTE_SECONDS = 60;

/** What an offer says besides the network's own terms. */
export interface OfferedTask {
  task: Task;
  salt: string;
  /** Adds the document to sign; only makes sense once the payer is known. */
  withTypedData: boolean;
}

/** Why a 402 is sent: the first one, or another because the node of the last is gone. */
export type OfferReason = "payment_required" | "no_active_node";

/** One sentence for people in the body of a 402, by reason. */
const messages: Record<OfferReason, string> = {
  payment_required:
    "Sign the payment in accepts[0] and send the same request again with it in the header PAYMENT-SIGNATURE.",
  no_active_node:
    "The node of this payment is gone, so nothing was locked; sign the new offer with the same nonce and send the request again.",
};

/** x402's requirements for a task. The gateway keeps none: the same task gives the same requirements again. */
export function requirementsOf(gateway: Gateway, { task, salt, withTypedData }: OfferedTask): PaymentRequirements {
  const { network, settings } = gateway;
  const { opg, taskEscrow } = network.contracts;
  const { settleWindowSeconds } = network.parameters;
  const terms = { token: opg, taskEscrow, settleWindowSeconds };
  return {
    scheme: TASK_SCHEME,
    network: caip2(network),
    amount: task.maxAmount.toString(),
    asset: opg,
    payTo: taskEscrow,
    maxTimeoutSeconds: QUOTE_SECONDS + settings.releaseSeconds + settings.executionSeconds + settings.verdictSeconds,
    extra: {
      task: taskToJson(task),
      salt,
      facilitator: facilitatorOf(gateway).address,
      settleWindowSeconds,
      ...(withTypedData
        ? { typedData: paymentTypedDataJson(authorizationOf(task, terms), BigInt(network.chainId)) }
        : {}),
    },
  };
}

/** Answers 402 with an offer, in the header and in the body. */
export function sendOffer(context: Context, gateway: Gateway, offered: OfferedTask, error: OfferReason): Response {
  const required: PaymentRequired = {
    x402Version: 2,
    error,
    resource: {
      url: new URL("/v1/infer", gateway.network.gateway).href,
      description: "One inference, checked by verifiers before it is paid",
      mimeType: "application/json",
    },
    accepts: [requirementsOf(gateway, offered)],
  };
  const headers = { "PAYMENT-REQUIRED": encodePaymentRequiredHeader(required), "Cache-Control": "no-store" };
  return context.json({ ...required, message: messages[error] }, 402, headers);
}

/** The facilitator that this gateway's offers name. */
export function facilitatorOf({ network }: Gateway): { address: string; url: string } {
  const [first] = network.facilitators;
  if (!first) throw new Error("the network names no facilitator");
  return first;
}
