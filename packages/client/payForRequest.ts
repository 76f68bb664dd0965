import { encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload } from "@x402/core/types";
import { type ErrorCode, type OpgError } from "../protocol/errors.ts";
import { type InferAnswer, inferAnswerJson } from "../protocol/inferAnswer.ts";
import type { NamedTensors } from "../protocol/tensors.ts";
import { callGateway, type GatewayAnswer, type GatewayCall, readAnswer } from "./callGateway.ts";
import type { Offer } from "./checkOffer.ts";
import { identifierExtension } from "./identifierExtension.ts";
import { bodyOf, type CheckedOffer, Offers, refusalOf } from "./offers.ts";
import type { Payer } from "./payer.ts";
import type { Purse, SignedOffer, SignedTask } from "./purse.ts";
import type { Expenditure } from "./spending.ts";

/** A payment that got no answer at all is sent again, the same one: it is never charged twice. */
const MAX_SENDS = 2;
/** Without a task's id they say that nothing was released, whatever their status is. */
const beforeRelease: readonly ErrorCode[] = ["settlement_overdue", "no_active_node"];

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
  const { purse } = means;
  const { url, hangUp } = asked;
  const request = { url, body: bodyOf(purse, asked), ...(hangUp ? { hangUp } : {}) };
  const offers = new Offers(payer, purse, asked);
  for (let refused: GatewayAnswer | undefined; ;) {
    const payment = await signNext(asked, means, () => offers.next(refused)).catch(async (error: unknown) => {
      // The payment before was for a node that has gone: it pays for nothing.
      if (refused) await purse.end(0n);
      throw error;
    });
    const answer = await sendPayment(payer, purse, request, payment);
    if (answer.status === 200) return { answer, signed: payment.signed };
    if (!offers.hasAnother(answer)) return giveUp(purse, refusalOf(answer, url, payer));
    refused = answer;
  }
}

async function signNext(
  asked: AskedInference,
  { purse, expenditure }: Means,
  next: () => Promise<CheckedOffer>,
): Promise<SignedPayment> {
  const { required, offer, payout } = await next();
  const signature = await expenditure.around(offer.task.maxAmount, () => purse.sign(offer));
  const signed = { ...signature, payout };
  await asked.onSigned?.(signed);
  const { resource } = required;
  const extensions = identifierExtension(required, asked.id);
  const { payload } = signed;
  const payment = { x402Version: 2 as const, resource, accepted: offer.requirements, payload, ...extensions };
  return { offer, signed, payment };
}

/** Ends a call that nothing was released for; what became of a task that may have been, its trail tells. */
async function giveUp(purse: Purse, refusal: OpgError): Promise<never> {
  const isRefused = refusal.status < 500 || beforeRelease.includes(refusal.code);
  if (isRefused && refusal.values["taskId"] === undefined) await purse.end(0n);
  throw refusal;
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
