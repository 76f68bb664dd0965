import type { PaymentRequired } from "@x402/core/types";
import { OpgError } from "../protocol/errors.ts";
import type { InferRequestJson } from "../protocol/request.ts";
import { tensorsToJson } from "../protocol/tensors.ts";
import { callGateway, type GatewayAnswer } from "./callGateway.ts";
import { checkOffer, type ExpectedOffer, type Offer } from "./checkOffer.ts";
import type { AskedInference } from "./payForRequest.ts";
import type { Payer } from "./payer.ts";
import type { Purse } from "./purse.ts";
import { readOffer } from "./readOffer.ts";
import { allowanceRequired } from "./refusal.ts";

const OFFER_TIMEOUT_SECONDS = 30;
/** How many are looked at where the node of one is not acceptable, or gone before it was paid. */
const MAX_OFFERS = 3;

/** An offer that is what was asked for, by a node that may be signed for. */
export interface CheckedOffer {
  required: PaymentRequired;
  offer: Offer;
  payout: string | undefined;
}

/** The offers for one request, each for another node where a gateway has one. */
export class Offers {
  readonly #payer: Payer;
  readonly #purse: Purse;
  readonly #asked: AskedInference;
  #met = 0;

  constructor(payer: Payer, purse: Purse, asked: AskedInference) {
    this.#payer = payer;
    this.#purse = purse;
    this.#asked = asked;
  }

  /**
   * The next acceptable offer. The gateway is asked again where only the node is not acceptable: what it knows of nodes is
   * some seconds old, and it does not know what a payer insists on.
   *
   * @param refused - the answer to a payment, which offers another node
   * @throws OpgError the gateway's, `invalid_offer`, `node_refused`, `chain_unavailable`
   */
  async next(refused?: GatewayAnswer): Promise<CheckedOffer> {
    for (let answer = refused; ; answer = undefined) {
      answer ??= await this.#ask();
      this.#met += 1;
      const required = offerIn(answer);
      if (!required) throw refusalOf(answer, this.#asked.url, this.#payer);
      try {
        return await this.#check(required);
      } catch (error) {
        const isRefused = error instanceof OpgError && error.code === "node_refused";
        if (!isRefused || this.#met === MAX_OFFERS) throw error;
      }
    }
  }

  /** Whether the answer to a payment is another offer because the node has gone, and one more is looked at. */
  hasAnother(answer: GatewayAnswer): boolean {
    return this.#met < MAX_OFFERS && offerIn(answer)?.error === "no_active_node";
  }

  async #ask(): Promise<GatewayAnswer> {
    const { url } = this.#asked;
    const body = bodyOf(this.#purse, this.#asked);
    return callGateway(this.#payer.fetch, { method: "POST", url, body, timeoutSeconds: OFFER_TIMEOUT_SECONDS });
  }

  async #check(required: PaymentRequired): Promise<CheckedOffer> {
    const offer = checkOffer(required, expectedOffer(this.#payer, this.#purse, this.#asked));
    const node = await this.#payer.nodes?.forTask(offer.task);
    return { required, offer, payout: node?.payout };
  }
}

/** The request's body, alike for an offer and with a payment. */
export function bodyOf({ payer }: Purse, { model, inputs, salt, nonce }: AskedInference): InferRequestJson {
  return { model, inputs: tensorsToJson(inputs), salt, payer, nonce: nonce.toString() };
}

/** What the gateway said, and how to go on where a person has to act. */
export function refusalOf(answer: GatewayAnswer, url: string, { network }: Payer): OpgError {
  const refusal = OpgError.fromBody(answer.content);
  if (refusal?.code === "permit2_allowance_required") return allowanceRequired(network.contracts.opg, refusal.values);
  if (refusal) return refusal;
  const message = `The gateway answered ${answer.status} without an answer or an offer; try again later.`;
  return new OpgError("gateway_unavailable", message, { url });
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
