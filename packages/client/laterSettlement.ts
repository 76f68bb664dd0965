import { decodePaymentSignatureHeader } from "@x402/core/http";
import type { Network } from "../protocol/network.ts";
import { proxyPayloadJson, proxyPaymentDigest } from "../protocol/proxyPayment.ts";
import { settlementStatusJson } from "../protocol/settlementStatus.ts";
import { PAYMENT_SETTLEMENT, settlementUrl } from "../protocol/settlementUrl.ts";
import { callGateway } from "./callGateway.ts";
import type { ClientState } from "./clientState.ts";
import type { Fetch } from "./fetch.ts";
import type { PaymentReceipt } from "./paymentReceipt.ts";
import { changeAmount, dayOf } from "./spending.ts";

const TIMEOUT_SECONDS = 10;
/** So many settlements are asked about at a time. */
const AT_ONCE = 8;
/** Nobody is asked any more so long after a signature expired: facilitators forget. */
const ASK_SECONDS = 7 * 86_400;

/**
 * Where the settlement of an answer will be told that had not been settled when it was sent. That it was not is all that the
 * answer's header is believed: who is asked is the network's facilitator that the payer signed for. And only under `upto`, where that facilitator alone can settle it:
 * `exact` takes all, or leaves a signature that is good until it expires.
 */
export function settlementUrlIn(
  headers: Headers,
  { scheme, header }: PaymentReceipt,
  { chainId, facilitators }: Network,
): string | null {
  if (!headers.has(PAYMENT_SETTLEMENT) || scheme !== "upto") return null;
  const payload = proxyPayloadJson.upto.safeParse(decodePaymentSignatureHeader(header).payload);
  if (!payload.success) return null;
  const { permit2Authorization: authorization } = payload.data;
  const id = proxyPaymentDigest("upto", authorization, BigInt(chainId));
  const { facilitator } = authorization.witness;
  const named = facilitators.find(({ address, entry }) => facilitator === address || facilitator === entry);
  return named ? settlementUrl(named.url, id) : null;
}

/** Remembers that of what is counted for a payment less may be charged. */
export async function leaveOpen(state: ClientState, { id, createdAt }: PaymentReceipt): Promise<void> {
  await state.update((content) => {
    const { day, streamed } = content.spending;
    if (day !== dayOf(createdAt) || streamed.some((one) => one.id === id)) return { content, value: undefined };
    const spending = { ...content.spending, streamed: [...streamed, { id, isOpen: true }] };
    return { content: { ...content, spending }, value: undefined };
  });
}

/**
 * Asks the facilitator about payments whose settlement was to be told later, and counts what was charged in place of the
 * ceiling. What it does not say stays as it is; a payment that ended otherwise stays at its ceiling and is not asked about again.
 *
 * @returns whether less than a ceiling may be counted now
 */
export async function learnSettlements(state: ClientState, fetch: Fetch, nowSeconds: number): Promise<boolean> {
  const unknown = (await state.receipts()).filter(
    ({ settlementUrl: url, settlement, expiresAt }) =>
      url !== null && settlement === null && nowSeconds <= expiresAt + ASK_SECONDS,
  );
  let hasLearned = false;
  const askInTurn = async (): Promise<void> => {
    for (let receipt = unknown.shift(); receipt; receipt = unknown.shift()) {
      if (await learnSettlement(state, fetch, receipt)) hasLearned = true;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, askInTurn));
  return hasLearned;
}

async function learnSettlement(state: ClientState, fetch: Fetch, receipt: PaymentReceipt): Promise<boolean> {
  const status = await askSettlement(fetch, receipt.settlementUrl ?? "").catch(() => undefined);
  if (status?.kind !== "payment") return false;
  if (status.state === "failed" || status.state === "lapsed") {
    await state.replace({ ...receipt, settlementUrl: null });
    return false;
  }
  if (status.state !== "settled" || status.amount === null) return false;
  const amount = BigInt(status.amount);
  if (amount > receipt.amount) return false;
  const settlement = { transaction: status.answer?.transaction ?? "", amount };
  await state.replace({ ...receipt, settlement });
  await closeAt(state, receipt, settlement.amount);
  return true;
}

async function askSettlement(fetch: Fetch, url: string) {
  const { status, content } = await callGateway(fetch, { method: "GET", url, timeoutSeconds: TIMEOUT_SECONDS });
  return status === 200 ? settlementStatusJson.safeParse(content).data : undefined;
}

/** Counts once what was charged in place of the ceiling, whichever process learns it first. */
async function closeAt(
  state: ClientState,
  { id, account, asset, url, amount: ceiling }: PaymentReceipt,
  amount: bigint,
): Promise<void> {
  const { host } = new URL(url);
  await state.update((content) => {
    const { streamed } = content.spending;
    if (!streamed.some((one) => one.id === id && one.isOpen)) return { content, value: undefined };
    const spending = {
      ...content.spending,
      streamed: streamed.map((one) => (one.id === id ? { id, isOpen: false } : one)),
    };
    return {
      content: changeAmount({ ...content, spending }, { account, asset, host }, amount - ceiling),
      value: undefined,
    };
  });
}
