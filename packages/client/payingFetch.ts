import { decodePaymentSignatureHeader, encodePaymentSignatureHeader as encode } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { OpgError } from "../protocol/errors.ts";
import { caip2 } from "../protocol/network.ts";
import { paymentIdentifier } from "../protocol/paymentIdentifier.ts";
import { signAllowance } from "./allowance.ts";
import { type AskedRequest, readRequest, sendPaid } from "./askedRequest.ts";
import { choosePayments } from "./choosePayment.ts";
import type { Fetch, PayingInit } from "./fetch.ts";
import { heldPayments } from "./heldPayments.ts";
import { identifierExtension, newIdentifier } from "./identifierExtension.ts";
import { learnSettlements, leaveOpen, settlementUrlIn } from "./laterSettlement.ts";
import type { OfferedPayment } from "./offeredPayment.ts";
import type { Payer } from "./payer.ts";
import type { PaymentReceipt } from "./paymentReceipt.ts";
import { readOffer } from "./readOffer.ts";
import { explainRefusal, readRefusal } from "./refusal.ts";
import { readSettlement } from "./settleResponse.ts";
import { signPayment } from "./signPayment.ts";
import { Expenditure } from "./spending.ts";

/** Calls like `fetch`, and pays where that is asked for. */
export class PayingFetch {
  readonly #fetch: Fetch;
  readonly #payer: () => Promise<Payer>;

  /** @param payer - asked for only when there is something to pay */
  constructor(fetch: Fetch, payer: () => Promise<Payer>) {
    this.#fetch = fetch;
    this.#payer = payer;
  }

  /** Does what the client's `fetch` promises. */
  async call(input: string | URL | Request, { paymentIdentifier: given, ...init }: PayingInit): Promise<Response> {
    const id = given === undefined ? undefined : readIdentifier(given);
    const asked = await readRequest(input, init);
    if (id !== undefined) {
      const payer = await this.#payer();
      const kept = await payer.state.receipt(id);
      if (kept) return this.#deliver(payer, asked, kept);
    }
    const answer = await this.#fetch(asked.url, asked.init);
    const required = answer.status === 402 ? readOffer(answer.headers) : undefined;
    if (!required) return answer;
    requireSameAddress(asked.url, answer);
    return this.#pay(await this.#payer(), asked, required, id);
  }

  /** Chooses, counts, signs and keeps a payment, in this order, and sends it. */
  async #pay(payer: Payer, asked: AskedRequest, required: PaymentRequired, given?: string): Promise<Response> {
    const nowSeconds = payer.clock();
    const payable = choosePayments(required, { network: payer.network, assets: payer.assets, nowSeconds });
    const offered = await heldPayments(payer, payable);
    const { chosen, signed, expenditure } = await signWithin(payer, new URL(asked.url).host, offered, nowSeconds);
    const { payload, expiresAt } = signed;
    const id = given ?? newIdentifier(payer.randomBytes);
    const { resource } = required;
    const extensions = identifierExtension(required, id);
    const payment: PaymentPayload = { x402Version: 2, resource, accepted: chosen.requirements, payload, ...extensions };
    const receipt = receiptOf(payer, asked, chosen, { id, nowSeconds, expiresAt, header: encode(payment) });
    const kept = await payer.state.add(receipt);
    // Another call was faster with the same identifier: nobody has seen this signature, and nobody will.
    if (kept !== receipt) await expenditure.lowerTo(0n);
    return this.#deliver(payer, asked, kept);
  }

  /** Sends a payment that is kept, with an allowance where that is all it lacks. */
  async #deliver(payer: Payer, asked: AskedRequest, kept: PaymentReceipt): Promise<Response> {
    requireSameRequest(payer, asked, kept);
    const answer = await sendPaid(this.#fetch, asked, kept);
    const refusal = await readRefusal(answer);
    if (!refusal) return conclude(payer, kept, answer);
    if (refusal.reason === "permit2_allowance_required") {
      const permitNonce = refusal.error?.values["permitNonce"];
      const allowance = await signAllowance(payer, kept, { required: refusal.required, permitNonce });
      if (allowance) return this.#deliverAllowed(payer, asked, { ...kept, header: extend(kept.header, allowance) });
    }
    return refuse(payer, kept, refusal);
  }

  async #deliverAllowed(payer: Payer, asked: AskedRequest, kept: PaymentReceipt): Promise<Response> {
    await payer.state.replace(kept);
    const answer = await sendPaid(this.#fetch, asked, kept);
    const refusal = await readRefusal(answer);
    return refusal ? refuse(payer, kept, refusal) : conclude(payer, kept, answer);
  }
}

/** Where the limits have no room, streams that were settled meanwhile for less than their ceiling may have left some. */
async function signWithin(payer: Payer, host: string, offered: readonly OfferedPayment[], nowSeconds: number) {
  try {
    return await signFirst(payer, host, offered, nowSeconds);
  } catch (error) {
    const isFull = error instanceof OpgError && error.code === "spending_limit_reached";
    if (!isFull || !(await learnSettlements(payer.state, payer.fetch, nowSeconds))) throw error;
    return signFirst(payer, host, offered, nowSeconds);
  }
}

/**
 * Signs the first payment that today's limits have room for and whose node, where it names one, may be signed for. What the
 * network's escrow is paid without a word on the node is not taken in the place of a node that was refused.
 *
 * @throws OpgError `spending_limit_reached`, `node_refused`, `chain_unavailable`
 */
async function signFirst(payer: Payer, host: string, offered: readonly OfferedPayment[], nowSeconds: number) {
  const { taskEscrow } = payer.network.contracts;
  const nextNonce = (): Promise<bigint> => payer.nonces.next(payer.account);
  const terms = { ...payer, payer: payer.address, nextNonce, nowSeconds };
  let full: unknown;
  let refused: unknown;
  for (const chosen of offered) {
    if (refused !== undefined && chosen.method.kind !== "task" && chosen.payTo === taskEscrow) continue;
    const expense = { account: payer.account, asset: chosen.asset, host };
    const expenditure = new Expenditure(payer, expense, payer.assets.get(chosen.asset) ?? {});
    try {
      if (chosen.method.kind === "task") await payer.nodes?.forTask(chosen.method.task);
      const signed = await expenditure.around(chosen.amount, () => signPayment(chosen, terms));
      return { chosen, signed, expenditure };
    } catch (error) {
      const code = error instanceof OpgError ? error.code : undefined;
      if (code !== "spending_limit_reached" && code !== "node_refused") throw error;
      if (code === "node_refused") refused ??= error;
      else full ??= error;
    }
  }
  throw full ?? refused;
}

function receiptOf(
  { account }: Payer,
  { url, digest }: AskedRequest,
  { requirements, asset, payTo, amount }: OfferedPayment,
  signed: { id: string; nowSeconds: number; expiresAt: number; header: string },
): PaymentReceipt {
  const { id, nowSeconds: createdAt, expiresAt, header } = signed;
  return {
    ...{ id, url, request: digest, account, scheme: requirements.scheme, asset, payTo, amount },
    ...{ createdAt, expiresAt, header, state: "sent", reason: null, settlement: null, task: null },
    settlementUrl: null,
  };
}

async function conclude(payer: Payer, kept: PaymentReceipt, answer: Response): Promise<Response> {
  const { amount } = kept;
  const terms = { payer: payer.address, network: caip2(payer.network), amount };
  const settlement = readSettlement(answer.headers, terms) ?? kept.settlement;
  const settlementUrl = settlement ? null : settlementUrlIn(answer.headers, kept, payer.network);
  await payer.state.replace({ ...kept, state: "answered", reason: null, settlement, settlementUrl });
  if (settlementUrl !== null) await leaveOpen(payer.state, kept);
  return answer;
}

async function refuse(
  payer: Payer,
  kept: PaymentReceipt,
  refusal: Parameters<typeof explainRefusal>[0],
): Promise<never> {
  await payer.state.replace({ ...kept, state: "refused", reason: refusal.reason });
  throw explainRefusal(refusal, { payer: payer.address, asset: kept.asset, amount: kept.amount });
}

/** The same payment with more said beside it; the signature does not cover extensions. */
function extend(header: string, extensions: Record<string, unknown>): string {
  const payment = decodePaymentSignatureHeader(header);
  return encode({ ...payment, extensions: { ...payment.extensions, ...extensions } });
}

function readIdentifier(given: string): string {
  const parsed = paymentIdentifier.safeParse(given);
  if (parsed.success) return parsed.data;
  const message = `paymentIdentifier ${parsed.error.issues[0]?.message ?? "is wrong"}; nothing was sent.`;
  throw new OpgError("configuration", message);
}

/** Where a redirect led, nobody meant to pay. */
function requireSameAddress(url: string, answer: Response): void {
  if (!answer.redirected && (answer.url === "" || answer.url === url)) return;
  const message = `The request was redirected to ${answer.url}, and payment is asked for there; nothing was signed. Call that address itself if you mean to pay there.`;
  throw new OpgError("invalid_offer", message, { field: "url", url: answer.url });
}

function requireSameRequest({ account }: Payer, { digest }: AskedRequest, kept: PaymentReceipt): void {
  if (kept.request === digest && kept.account === account && kept.header !== "") return;
  const message = `The paymentIdentifier "${kept.id}" belongs to another request; nothing was sent, take a new one for every request.`;
  throw new OpgError("payment_identifier_conflict", message, { paymentIdentifier: kept.id });
}
