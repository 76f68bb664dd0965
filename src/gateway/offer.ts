import { encodePaymentRequiredHeader } from "@x402/core/http";
import type { PaymentRequired, PaymentRequirements } from "@x402/core/types";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { hexlify, ZeroAddress } from "ethers";
import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import { caip2 } from "#protocol/network.ts";
import { authorizationOf, paymentTypedDataJson, TASK_SCHEME } from "#protocol/payment.ts";
import { PREFUNDED_SCHEME } from "#protocol/prefunded.ts";
import { requestDigest } from "#protocol/request.ts";
import { policies, type Task, taskToJson } from "#protocol/task.ts";
import { facilitatorOf } from "./facilitatorOf.ts";
import type { FittingRequest } from "./fitRequest.ts";
import type { Gateway } from "./gateway.ts";
import { offeredExtensions } from "./offeredExtensions.ts";
import { uptoRequirementsOf } from "./uptoTerms.ts";

/** How long a payer may think about an offer. */
const QUOTE_SECONDS = 60;
const SALT_BYTES = 32;
const NONCE_BYTES = 32;

/** What an offer says besides the network's own terms. */
export interface OfferedTask {
  task: Task;
  salt: string;
  /** Adds the document to sign; only makes sense once the payer is known. */
  withTypedData: boolean;
}

/** Why a 402 is sent: the first one, or another because the node of the last takes no tasks now. */
export type OfferReason = "payment_required" | "no_active_node";

/** One sentence for people in the body of a 402, by reason. */
const messages: Record<OfferReason, string> = {
  payment_required:
    "Sign the task in accepts[0], or one of the other payments, and send the same request again with it in the header PAYMENT-SIGNATURE.",
  no_active_node:
    "The node of this payment takes no tasks now, so nothing was locked; sign the new offer with the same nonce and send the request again.",
};

/** A new offer for a request. @throws OpgError `no_active_node`; the chain's */
export async function newOffer(gateway: Gateway, fitting: FittingRequest): Promise<OfferedTask> {
  const { body, versionId, inputDigest, price } = fitting;
  const salt = body.salt ?? hexlify(gateway.randomBytes(SALT_BYTES));
  const { address } = await gateway.nodes.pick(versionId);
  const task: Task = {
    payer: body.payer ?? ZeroAddress,
    node: address,
    model: versionId,
    request: requestDigest(salt, versionId, inputDigest),
    policy: policies.reExecution,
    maxAmount: price,
    deadline: gateway.clock() + gateway.settings.taskSeconds,
    nonce: body.nonce ?? BigInt(hexlify(gateway.randomBytes(NONCE_BYTES))),
  };
  return { task, salt, withTypedData: body.payer !== undefined };
}

/**
 * x402's requirements for a task, paid for by one signature out of the wallet or out of an account. The gateway keeps none:
 * the same task gives the same requirements again.
 */
export function requirementsOf(
  gateway: Gateway,
  scheme: typeof TASK_SCHEME | typeof PREFUNDED_SCHEME,
  { task, salt, withTypedData }: OfferedTask,
): PaymentRequirements {
  const { network, settings } = gateway;
  const { opg, taskEscrow } = network.contracts;
  const { settleWindowSeconds } = network.parameters;
  const terms = { token: opg, taskEscrow, settleWindowSeconds };
  return {
    scheme,
    network: caip2(network),
    amount: task.maxAmount.toString(),
    asset: opg,
    payTo: taskEscrow,
    maxTimeoutSeconds: QUOTE_SECONDS + settings.releaseSeconds + settings.executionSeconds + settings.verdictSeconds,
    extra: {
      task: taskToJson(task),
      salt,
      facilitator: facilitatorOf(network).address,
      settleWindowSeconds,
      ...(withTypedData && scheme === TASK_SCHEME
        ? { typedData: paymentTypedDataJson(authorizationOf(task, terms), BigInt(network.chainId)) }
        : {}),
    },
  };
}

/** Answers 402 with an offer, in the header and in the body. */
export function sendOffer(context: Context, gateway: Gateway, offered: OfferedTask, error: OfferReason): Response {
  const required = paymentRequiredOf(gateway, offered, error);
  return context.json({ ...required, message: messages[error] }, 402, headersOf(required));
}

/**
 * Answers with why a payment does not pay. x402's clients read the reason in the header beside a new offer; the body is
 * an error like any other.
 */
export async function refusePayment(
  context: Context,
  gateway: Gateway,
  fitting: FittingRequest,
  error: OpgError,
): Promise<Response> {
  const offered = await newOffer(gateway, fitting).catch((cause: unknown) => {
    if (cause instanceof OpgError) return undefined;
    throw cause;
  });
  const headers = offered ? headersOf(paymentRequiredOf(gateway, offered, error.code)) : {};
  return context.json(error.toBody(), error.status as ContentfulStatusCode, headers);
}

function paymentRequiredOf(gateway: Gateway, offered: OfferedTask, error: ErrorCode): PaymentRequired {
  const { salt, task } = offered;
  return {
    x402Version: 2,
    error,
    resource: {
      url: new URL("/v1/infer", gateway.network.gateway).href,
      description: "One inference, checked by verifiers before it is paid",
      mimeType: "application/json",
    },
    // x402's clients take the first scheme that they know, so the one they all have stands before those that come later.
    accepts: [
      requirementsOf(gateway, TASK_SCHEME, offered),
      uptoRequirementsOf(gateway, { price: task.maxAmount, salt, request: task.request }),
      requirementsOf(gateway, PREFUNDED_SCHEME, offered),
    ],
    extensions: offeredExtensions,
  };
}

function headersOf(required: PaymentRequired): Record<string, string> {
  return { "PAYMENT-REQUIRED": encodePaymentRequiredHeader(required), "Cache-Control": "no-store" };
}
