import { encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { OpgError } from "../protocol/errors.ts";
import { type InferAnswer, inferAnswerJson } from "../protocol/inferAnswer.ts";
import type { InferRequestJson } from "../protocol/request.ts";
import { type NamedTensors, tensorsToJson } from "../protocol/tensors.ts";
import { callGateway, type GatewayAnswer, type GatewayCall, readAnswer } from "./callGateway.ts";
import { checkOffer, type ExpectedOffer, type Offer } from "./checkOffer.ts";
import { identifierExtension } from "./identifierExtension.ts";
import type { Payer } from "./payer.ts";
import type { Purse, SignedOffer, SignedTask } from "./purse.ts";
import { readOffer } from "./readOffer.ts";
import { allowanceRequired } from "./refusal.ts";
import type { Expenditure } from "./spending.ts";

const OFFER_TIMEOUT_SECONDS = 30;
/** How often another node is asked for where the one offered is not acceptable, or gone before it was paid. */
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
  /** Told of each task that was signed before it is sent. */
  onSigned?: (signed: SignedTask) => Promise<void>;
}

/** What a request is paid from, and what counts it. */
export interface Means {
  purse: Purse;
  expenditure: Expenditure;
}

/** The answer, and the task that was signed for it. */
export interface PaidAnswer {
  answer: InferAnswer;
  signed: SignedTask;
}

/** The answer as it was sent, and the task that was signed for it. */
export interface SentAnswer {
  answer: GatewayAnswer;
  signed: SignedTask;
}

/** Pays for a request as {@link payAndSend} does, and reads the answer. */
export async function payForRequest(payer: Payer, asked: AskedInference, means: Means): Promise<PaidAnswer> {
  const { answer, signed } = await payAndSend(payer, asked, means);
  return { answer: readAnswer(answer, asked.url, inferAnswerJson), signed };
}

/**
 * Gets an offer, checks it and its node, counts it, signs it and sends the payment. When the node has gone meanwhile, the
 * next offer is signed with the same nonce: a nonce pays once, so both signatures together are worth one payment.
 */
export async function payAndSend(payer: Payer, asked: AskedInference, means: Means): Promise<SentAnswer> {
  const { purse, expenditure } = means;
  const { url, model, salt, nonce, inputs, hangUp, id } = asked;
  const inputsJson = tensorsToJson(inputs);
  const body: InferRequestJson = { model, inputs: inputsJson, salt, payer: purse.payer, nonce: nonce.toString() };
  const offerOf = (answer: GatewayAnswer) => readChecked(payer, purse, asked, answer);
  let { answer, offered } = await askForOffer(payer, { url, body }, offerOf);
  for (let offers = 1; offered; offers++) {
    const { required, offer, payout } = offered;
    const signature = await expenditure.around(offer.task.maxAmount, () => purse.sign(offer));
    const signed = { ...signature, payout };
    await asked.onSigned?.(signed);
    const { resource } = required;
    const extensions = identifierExtension(required, id);
    const { payload } = signed;
    const payment = { x402Version: 2 as const, resource, accepted: offer.requirements, payload, ...extensions };
    const request = { url, body, ...(hangUp ? { hangUp } : {}) };
    answer = await sendPayment(payer, purse, request, { offer, signed, payment });
    if (answer.status === 200) return { answer, signed };
    const isForAnother = offers < MAX_OFFERS && offerIn(answer)?.error === "no_active_node";
    offered = isForAnother ? await offerOf(answer) : undefined;
  }
  const refusal = refusalOf(answer, url, payer);
  // Nothing was released; what became of a task that may have been, its trail tells.
  const isRefused = refusal.status < 500 || refusal.code === "settlement_overdue";
  if (isRefused && refusal.values["taskId"] === undefined) await purse.end(0n);
  throw refusal;
}

/** An offer that is what was asked for, by a node that may be signed for. */
interface CheckedOffer {
  required: PaymentRequired;
  offer: Offer;
  payout: string | undefined;
}

/**
 * Asks again where only the node is not acceptable: what a gateway knows of nodes is some seconds old, and it does not know
 * what a payer insists on.
 */
async function askForOffer(
  payer: Payer,
  { url, body }: Pick<GatewayCall, "url" | "body">,
  offerOf: (answer: GatewayAnswer) => Promise<CheckedOffer | undefined>,
): Promise<{ answer: GatewayAnswer; offered: CheckedOffer | undefined }> {
  const call = { method: "POST" as const, url, body, timeoutSeconds: OFFER_TIMEOUT_SECONDS };
  for (let asks = 1; ; asks++) {
    const answer = await callGateway(payer.fetch, call);
    try {
      return { answer, offered: await offerOf(answer) };
    } catch (error) {
      const isRefused = error instanceof OpgError && error.code === "node_refused";
      if (!isRefused || asks === MAX_OFFERS) throw error;
    }
  }
}

async function readChecked(
  payer: Payer,
  purse: Purse,
  asked: AskedInference,
  answer: GatewayAnswer,
): Promise<CheckedOffer | undefined> {
  const required = offerIn(answer);
  if (!required) return undefined;
  const offer = checkOffer(required, expectedOffer(payer, purse, asked));
  const node = await payer.nodes?.forTask(offer.task);
  return { required, offer, payout: node?.payout };
}

function offerIn({ status, headers }: GatewayAnswer): PaymentRequired | undefined {
  return status === 402 ? readOffer(headers) : undefined;
}

function expectedOffer(
  { network, clock }: Payer,
  { scheme, payer, facilitator }: Purse,
  { model, salt, request, nonce }: AskedInference,
): ExpectedOffer {
  const who = { scheme, payer, ...(facilitator === undefined ? {} : { facilitator }) };
  return { network, ...who, nonce, salt, model, request, nowSeconds: clock() };
}

type SentRequest = Pick<GatewayCall, "url" | "body" | "hangUp">;

interface SignedPayment {
  offer: Offer;
  signed: SignedOffer;
  payment: PaymentPayload;
}

/** Sends a payment; again with what it lacks, as long as the purse has it. */
async function sendPayment(
  payer: Payer,
  purse: Purse,
  to: SentRequest,
  { offer, signed, payment }: SignedPayment,
): Promise<GatewayAnswer> {
  for (let amended = payment; ;) {
    const answer = await sendUntilAnswered(payer, to, amended, offer.timeoutSeconds);
    const amendment = answer.status === 200 ? undefined : await purse.amend(signed, answer);
    if (!amendment) return answer;
    amended =
      "payload" in amendment
        ? { ...amended, payload: amendment.payload }
        : { ...amended, extensions: { ...amended.extensions, ...amendment.extensions } };
  }
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
