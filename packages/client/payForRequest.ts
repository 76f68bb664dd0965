import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { OpgError } from "../protocol/errors.ts";
import { type InferAnswer, inferAnswerJson } from "../protocol/inferAnswer.ts";
import type { Network } from "../protocol/network.ts";
import { authorizationToJson, PERMIT2, paymentTypedData, type TaskAuthorization } from "../protocol/payment.ts";
import type { InferRequestJson } from "../protocol/request.ts";
import { type NamedTensors, tensorsToJson } from "../protocol/tensors.ts";
import { callGateway, type Fetch, type GatewayAnswer, readAnswer } from "./callGateway.ts";
import { checkOffer, type ExpectedOffer, type Offer } from "./checkOffer.ts";
import type { PaymentSigner } from "./signer.ts";

const OFFER_TIMEOUT_SECONDS = 30;
/** How often another node is accepted when the one offered is gone before it was paid. */
const MAX_OFFERS = 3;
/** A payment that got no answer at all is sent again, the same one: it is never charged twice. */
const MAX_SENDS = 2;
const HOW_TO_APPROVE = "https://eips.ethereum.org/EIPS/eip-20#approve";

/** Who pays, and at most how much per call. */
export interface Payer {
  signer: PaymentSigner;
  address: string;
  maxAmount: bigint | undefined;
}

/** The request that is to be paid. */
export interface AskedRequest {
  network: Network;
  /** versionId. */
  model: string;
  inputs: NamedTensors;
  salt: string;
  /** Salted digest of the inputs. */
  request: string;
  nonce: bigint;
}

/** The answer, and the authorization that paid for it. */
export interface PaidAnswer {
  answer: InferAnswer;
  authorization: TaskAuthorization;
}

interface Endpoint {
  fetch: Fetch;
  url: string;
}

/**
 * Gets an offer, checks it, signs it and sends the payment. When the node has gone meanwhile, the next offer is signed
 * with the same nonce: Permit2 lets a nonce pay once, so both signatures together are worth one payment.
 */
export async function payForRequest(endpoint: Endpoint, payer: Payer, asked: AskedRequest): Promise<PaidAnswer> {
  const { model, salt, nonce, inputs } = asked;
  const body: InferRequestJson = {
    model,
    inputs: tensorsToJson(inputs),
    salt,
    payer: payer.address,
    nonce: nonce.toString(),
  };
  let answer = await callGateway(endpoint.fetch, {
    method: "POST",
    url: endpoint.url,
    body,
    timeoutSeconds: OFFER_TIMEOUT_SECONDS,
  });
  for (let offers = 0; offers < MAX_OFFERS; offers++) {
    const required = readOffer(answer);
    if (!required) break;
    const offer = checkOffer(required, expectedOffer(payer, asked));
    const header = await signPayment(payer.signer, offer, required, asked.network);
    answer = await sendPayment(endpoint, body, header, offer.timeoutSeconds);
    if (answer.status === 200) {
      return { answer: readAnswer(answer, endpoint.url, inferAnswerJson), authorization: offer.authorization };
    }
  }
  throw refusalOf(answer, endpoint.url, asked.network);
}

function expectedOffer(
  { address, maxAmount }: Payer,
  { network, model, salt, request, nonce }: AskedRequest,
): ExpectedOffer {
  return { network, payer: address, nonce, salt, model, request, maxAmount, nowSeconds: Math.floor(Date.now() / 1000) };
}

/** The offer in a 402; `undefined` when the answer holds none. */
function readOffer({ status, headers }: GatewayAnswer): PaymentRequired | undefined {
  const header = status === 402 ? headers.get("payment-required") : null;
  if (header === null) return undefined;
  try {
    return decodePaymentRequiredHeader(header);
  } catch (cause) {
    throw new OpgError(
      "invalid_offer",
      "The gateway's offer cannot be read; nothing was signed, use another gateway.",
      {},
      { cause },
    );
  }
}

async function signPayment(
  signer: PaymentSigner,
  offer: Offer,
  required: PaymentRequired,
  network: Network,
): Promise<string> {
  const { authorization, requirements } = offer;
  const { domain, types, value } = paymentTypedData(authorization, BigInt(network.chainId));
  const signature = await signer.signTypedData(domain, types, value);
  const payload: PaymentPayload = {
    x402Version: 2,
    resource: required.resource,
    accepted: requirements,
    payload: { signature, permit2Authorization: authorizationToJson(authorization) },
  };
  return encodePaymentSignatureHeader(payload);
}

async function sendPayment(
  { fetch, url }: Endpoint,
  body: unknown,
  header: string,
  timeoutSeconds: number,
): Promise<GatewayAnswer> {
  const call = { method: "POST" as const, url, body, headers: { "payment-signature": header }, timeoutSeconds };
  for (let sends = 1; ; sends++) {
    try {
      return await callGateway(fetch, call);
    } catch (error) {
      if (sends === MAX_SENDS) throw error;
    }
  }
}

/** What the gateway said, and how to go on where a person has to act. */
function refusalOf(answer: GatewayAnswer, url: string, network: Network): OpgError {
  const refusal =
    OpgError.fromBody(answer.content) ??
    new OpgError(
      "gateway_unavailable",
      `The gateway answered ${answer.status} without an answer or an offer; try again later.`,
      { url },
    );
  if (refusal.code !== "permit2_allowance_required") return refusal;
  const token = network.contracts.opg;
  const message = `Permit2 may not move the payer's OPG yet: call approve(${PERMIT2}, amount) on the token ${token} once (${HOW_TO_APPROVE}), then ask again.`;
  return new OpgError(refusal.code, message, { ...refusal.values, token, spender: PERMIT2, link: HOW_TO_APPROVE });
}
