import { encodePaymentResponseHeader } from "@x402/core/http";
import type { Context, Hono } from "hono";
import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import type { InferAnswerJson } from "#protocol/inferAnswer.ts";
import { caip2 } from "#protocol/network.ts";
import { inferRequestJson } from "#protocol/request.ts";
import type { Task } from "#protocol/task.ts";
import { readBody } from "#service/httpApp.ts";
import { acceptsEvents } from "#service/sendEvents.ts";
import { type FittingRequest, fitRequest } from "./fitRequest.ts";
import type { Gateway } from "./gateway.ts";
import { newOffer, refusePayment, sendOffer } from "./offer.ts";
import { PaidRequests } from "./paidRequests.ts";
import { readPayment, type SentPayment } from "./readPayment.ts";
import { sendStream } from "./sendStream.ts";
import type { StepReader } from "./stepReader.ts";

/** Statuses of payments that do not pay; x402's clients look for the reason in a header then. */
const PAYMENT_FAILED = [402, 412];

/** Errors of a request that there is no node for. */
const NO_ROOM: readonly ErrorCode[] = ["no_active_node", "rate_limited"];

/**
 * `POST /v1/infer`: offers the request for payment, or runs it when it comes with one. The answer is one document or, for
 * who accepts it, a stream of events.
 */
export function addInferRoute(app: Hono, gateway: Gateway): void {
  const paidRequests = new PaidRequests(gateway);
  app.post("/v1/infer", async (context) => {
    requireJson(context);
    const fitting = await fitRequest(gateway, await readBody(context, inferRequestJson));
    try {
      return await answerRequest(context, gateway, paidRequests, fitting);
    } catch (error) {
      if (error instanceof OpgError && NO_ROOM.includes(error.code)) gateway.demand.count(fitting, "turnedAway");
      throw error;
    }
  });
}

async function answerRequest(
  context: Context,
  gateway: Gateway,
  paidRequests: PaidRequests,
  fitting: FittingRequest,
): Promise<Response> {
  const header = context.req.header("PAYMENT-SIGNATURE");
  if (header === undefined) {
    gateway.demand.count(fitting, "asked");
    return sendOffer(context, gateway, await newOffer(gateway, fitting), "payment_required");
  }
  try {
    const payment = readPayment(header, gateway.network);
    const send = acceptsEvents(context) ? sendStream : sendWhole;
    const answer = await send(context, gateway, (reader) => paidRequests.answer(payment, fitting, reader));
    return answer ?? (await offerAnotherNode(context, gateway, payment, fitting));
  } catch (error) {
    if (!(error instanceof OpgError) || !PAYMENT_FAILED.includes(error.status)) throw error;
    return refusePayment(context, gateway, fitting, error);
  }
}

function requireJson(context: Context): void {
  const type = context.req.header("content-type") ?? "";
  if (/^application\/json\s*(;|$)/i.test(type)) return;
  throw new OpgError("unsupported_media_type", "The body must be JSON; send it with content-type application/json.");
}

/** The same task on another node: with the same nonce, both signatures together are worth one payment. */
async function offerAnotherNode(
  context: Context,
  gateway: Gateway,
  payment: SentPayment,
  { price }: FittingRequest,
): Promise<Response> {
  if (payment.scheme === "upto") throw new Error("only a signed task names a node");
  const { task: signed, salt } = payment;
  const { address } = await gateway.nodes.pick(signed.model, [signed.node]);
  const deadline = gateway.clock() + gateway.settings.taskSeconds;
  const task: Task = { ...signed, node: address, maxAmount: price, deadline };
  return sendOffer(context, gateway, { task, salt, withTypedData: true }, "no_active_node");
}

async function sendWhole(
  context: Context,
  { network }: Gateway,
  run: (reader?: StepReader) => Promise<InferAnswerJson | undefined>,
): Promise<Response | undefined> {
  const answer = await run();
  if (!answer) return undefined;
  const { task, result, transaction } = answer.receipt;
  const response = encodePaymentResponseHeader({
    success: true,
    transaction: transaction ?? "",
    network: caip2(network),
    payer: task.payer,
    amount: result.amount,
  });
  return context.json(answer, 200, { "PAYMENT-RESPONSE": response, "Cache-Control": "no-store" });
}
