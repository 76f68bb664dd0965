import { encodePaymentResponseHeader } from "@x402/core/http";
import type { Context, Hono } from "hono";
import { hexlify, ZeroAddress } from "ethers";
import { checkInputs } from "#execution/checkInputs.ts";
import type { PaidRequest } from "#protocol/checkReceipt.ts";
import { tensorOrder } from "#execution/inspectModel.ts";
import { OpgError } from "#protocol/errors.ts";
import type { InferAnswerJson } from "#protocol/inferAnswer.ts";
import { meterCharge } from "#protocol/meter.ts";
import { caip2 } from "#protocol/network.ts";
import { type InferRequest, inferRequestJson, requestDigest } from "#protocol/request.ts";
import { policies, type Task } from "#protocol/task.ts";
import { type NamedTensors, tensorBytes, tensorsDigest, tensorsFromJson } from "#protocol/tensors.ts";
import { readBody } from "#service/httpApp.ts";
import { checkPayment } from "./checkPayment.ts";
import type { Gateway } from "./gateway.ts";
import { sendOffer } from "./offer.ts";
import { readPayment, type SentPayment } from "./readPayment.ts";
import { TaskRunner } from "./taskRunner.ts";

const SALT_BYTES = 32;
const NONCE_BYTES = 32;

/** A request whose inputs fit the model's graph, with what it can cost. */
interface FittingRequest {
  body: InferRequest;
  versionId: string;
  inputs: NamedTensors;
  inputDigest: string;
  /** What a charge and a response digest are computed with. */
  listing: PaidRequest["listing"];
  /** Price ceiling, atomic units. */
  price: bigint;
}

/** `POST /v1/infer`: offers the request for payment, or runs it when it comes with one. */
export function addInferRoute(app: Hono, gateway: Gateway): void {
  const runner = new TaskRunner(gateway);
  app.post("/v1/infer", async (context) => {
    requireJson(context);
    const fitting = await fitRequest(gateway, await readBody(context, inferRequestJson));
    const header = context.req.header("PAYMENT-SIGNATURE");
    if (header === undefined) return offerTask(context, gateway, fitting);
    return runPaidTask(context, gateway, runner, fitting, header);
  });
}

function requireJson(context: Context): void {
  const type = context.req.header("content-type") ?? "";
  if (/^application\/json\s*(;|$)/i.test(type)) return;
  throw new OpgError("unsupported_media_type", "The body must be JSON; send it with content-type application/json.");
}

/** Nothing is offered, let alone signed, for inputs that the model would not take. */
async function fitRequest({ catalog, settings }: Gateway, body: InferRequest): Promise<FittingRequest> {
  const { version, graph } = await catalog.find(body.model);
  const inputs = tensorsFromJson(body.inputs);
  checkInputs(graph.inputs, inputs);
  const inputDigest = tensorsDigest(tensorOrder(graph.inputs), inputs);
  const price = meterCharge(version.meter, tensorBytes(inputs), BigInt(settings.maxOutputBytes));
  const listing = { meter: version.meter, outputs: [...graph.outputs] };
  return { body, versionId: version.versionId, inputs, inputDigest, listing, price };
}

async function offerTask(context: Context, gateway: Gateway, fitting: FittingRequest): Promise<Response> {
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
  return sendOffer(context, gateway, { task, salt, withTypedData: body.payer !== undefined }, "payment_required");
}

async function runPaidTask(
  context: Context,
  gateway: Gateway,
  runner: TaskRunner,
  fitting: FittingRequest,
  header: string,
): Promise<Response> {
  const { body, versionId, inputs, inputDigest, listing, price } = fitting;
  const payment = readPayment(header, caip2(gateway.network));
  const { salt } = payment.accepted.extra;
  const request = requestDigest(salt, versionId, inputDigest);
  checkPayment(gateway, payment, { versionId, request, salt: body.salt, price });
  const answer = await runner.run(payment, { inputs, listing });
  if (answer === undefined) return offerAnotherNode(context, gateway, payment, price);
  return sendAnswer(context, gateway, answer);
}

/** The same task on another node: with the same nonce, both signatures together are worth one payment. */
async function offerAnotherNode(
  context: Context,
  gateway: Gateway,
  payment: SentPayment,
  price: bigint,
): Promise<Response> {
  const { witness } = payment.authorization;
  const { address } = await gateway.nodes.pick(witness.model, witness.node);
  const deadline = gateway.clock() + gateway.settings.taskSeconds;
  const task: Task = { ...witness, node: address, maxAmount: price, deadline };
  return sendOffer(
    context,
    gateway,
    { task, salt: payment.accepted.extra.salt, withTypedData: true },
    "no_active_node",
  );
}

function sendAnswer(context: Context, { network }: Gateway, answer: InferAnswerJson): Response {
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
