import { encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { OpgError } from "../protocol/errors.ts";
import { type InferAnswer, inferAnswerJson } from "../protocol/inferAnswer.ts";
import { authorizationToJson, paymentTypedData, type TaskAuthorization } from "../protocol/payment.ts";
import type { InferRequestJson } from "../protocol/request.ts";
import { type NamedTensors, tensorsToJson } from "../protocol/tensors.ts";
import { signAllowance } from "./allowance.ts";
import { callGateway, type GatewayAnswer, type GatewayCall, readAnswer } from "./callGateway.ts";
import { checkOffer, type ExpectedOffer, type Offer } from "./checkOffer.ts";
import { identifierExtension } from "./identifierExtension.ts";
import type { Payer } from "./payer.ts";
import { readOffer } from "./readOffer.ts";
import { allowanceRequired } from "./refusal.ts";
import type { Expenditure } from "./spending.ts";

const OFFER_TIMEOUT_SECONDS = 30;
/** How often another node is accepted when the one offered is gone before it was paid. */
const MAX_OFFERS = 3;
/** A payment that got no answer at all is sent again, the same one: it is never charged twice. */
const MAX_SENDS = 2;

/** The request that is to be paid. */
export interface AskedInference {
  /** The gateway's route. */
  url: string;
  /** versionId. */
  model: string;
  inputs: NamedTensors;
  salt: string;
  /** Salted digest of the inputs. */
  request: string;
  nonce: bigint;
  /** Payment identifier. */
  id: string;
  /** Hangs up; with it the answer may be a stream. */
  hangUp?: AbortSignal;
  /** Told of each authorization that was signed before it is sent. */
  onSigned?: (authorization: TaskAuthorization) => Promise<void>;
}

/** The answer, and the authorization that paid for it. */
export interface PaidAnswer {
  answer: InferAnswer;
  authorization: TaskAuthorization;
}

/** The answer as it was sent, and the authorization that paid for it. */
export interface SentAnswer {
  answer: GatewayAnswer;
  authorization: TaskAuthorization;
}

/** Pays for a request as {@link payAndSend} does, and reads the answer. */
export async function payForRequest(
  payer: Payer,
  asked: AskedInference,
  expenditure: Expenditure,
): Promise<PaidAnswer> {
  const { answer, authorization } = await payAndSend(payer, asked, expenditure);
  return { answer: readAnswer(answer, asked.url, inferAnswerJson), authorization };
}

/**
 * Gets an offer, checks it, counts it, signs it and sends the payment. When the node has gone meanwhile, the next offer is
 * signed with the same nonce: Permit2 lets a nonce pay once, so both signatures together are worth one payment.
 */
export async function payAndSend(payer: Payer, asked: AskedInference, expenditure: Expenditure): Promise<SentAnswer> {
  const { url, model, salt, nonce, inputs, hangUp } = asked;
  const inputsJson = tensorsToJson(inputs);
  const body: InferRequestJson = { model, inputs: inputsJson, salt, payer: payer.address, nonce: nonce.toString() };
  const call = { method: "POST" as const, url, body, timeoutSeconds: OFFER_TIMEOUT_SECONDS };
  let answer = await callGateway(payer.fetch, call);
  for (let offers = 0; offers < MAX_OFFERS; offers++) {
    const required = answer.status === 402 ? readOffer(answer.headers) : undefined;
    if (!required || (offers > 0 && required.error !== "no_active_node")) break;
    const offer = checkOffer(required, expectedOffer(payer, asked));
    const payment = await expenditure.around(offer.task.maxAmount, () => signOffer(payer, offer, required, asked.id));
    await asked.onSigned?.(offer.authorization);
    answer = await sendPayment(payer, { url, body, ...(hangUp ? { hangUp } : {}) }, offer, payment);
    if (answer.status === 200) return { answer, authorization: offer.authorization };
  }
  throw refusalOf(answer, url, payer);
}

function expectedOffer(
  { network, address, clock }: Payer,
  { model, salt, request, nonce }: AskedInference,
): ExpectedOffer {
  return { network, payer: address, nonce, salt, model, request, nowSeconds: clock() };
}

async function signOffer(payer: Payer, offer: Offer, required: PaymentRequired, id: string): Promise<PaymentPayload> {
  const { authorization, requirements } = offer;
  const { domain, types, value } = paymentTypedData(authorization, BigInt(payer.network.chainId));
  const signature = await payer.signer.signTypedData(domain, types, value);
  return {
    x402Version: 2,
    resource: required.resource,
    accepted: requirements,
    payload: { signature, permit2Authorization: authorizationToJson(authorization) },
    ...identifierExtension(required, id),
  };
}

type SentRequest = Pick<GatewayCall, "url" | "body" | "hangUp">;

/** Sends a payment; once more with an allowance where that is all it lacks and the client may sign one. */
async function sendPayment(
  payer: Payer,
  to: SentRequest,
  offer: Offer,
  payment: PaymentPayload,
): Promise<GatewayAnswer> {
  const answer = await sendUntilAnswered(payer, to, payment, offer.timeoutSeconds);
  const refusal = answer.status === 412 ? OpgError.fromBody(answer.content) : undefined;
  if (refusal?.code !== "permit2_allowance_required") return answer;
  const { permitted, deadline } = offer.authorization;
  const unallowed = { asset: permitted.token, amount: permitted.amount, expiresAt: Number(deadline) };
  const refused = { required: readOffer(answer.headers), permitNonce: refusal.values["permitNonce"] };
  const allowance = await signAllowance(payer, unallowed, refused);
  if (!allowance) return answer;
  const extensions = { ...payment.extensions, ...allowance };
  return sendUntilAnswered(payer, to, { ...payment, extensions }, offer.timeoutSeconds);
}

async function sendUntilAnswered(
  { fetch }: Payer,
  request: SentRequest,
  payment: PaymentPayload,
  timeoutSeconds: number,
): Promise<GatewayAnswer> {
  const headers = { "payment-signature": encodePaymentSignatureHeader(payment) };
  const call = { ...request, method: "POST" as const, headers, timeoutSeconds };
  for (let sends = 1; ; sends++) {
    try {
      return await callGateway(fetch, call);
    } catch (error) {
      if (sends === MAX_SENDS || request.hangUp?.aborted) throw error;
    }
  }
}

/** What the gateway said, and how to go on where a person has to act. */
function refusalOf(answer: GatewayAnswer, url: string, { network }: Payer): OpgError {
  const refusal = OpgError.fromBody(answer.content);
  if (refusal?.code === "permit2_allowance_required") return allowanceRequired(network.contracts.opg, refusal.values);
  if (refusal) return refusal;
  const message = `The gateway answered ${answer.status} without an answer or an offer; try again later.`;
  return new OpgError("gateway_unavailable", message, { url });
}
