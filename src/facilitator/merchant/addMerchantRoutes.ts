import type { SettleResponse, VerifyResponse } from "@x402/core/types";
import type { Hono } from "hono";
import type { Refusal } from "#facilitator/checks/check.ts";
import { type PaymentBody, paymentBodyJson } from "#facilitator/readPayment.ts";
import { settlementStatusPath } from "#facilitator/settlementStatusRoutes.ts";
import { proxyPaymentDigest } from "#protocol/proxyPayment.ts";
import { readBody } from "#service/httpApp.ts";
import type { PaymentAnswer } from "#store/facilitatorPayments.ts";
import { claimPayment } from "./claimPayment.ts";
import { payerIn, readMerchantPayment } from "./readMerchantPayment.ts";
import { settlePayment, type SettlingDependencies } from "./settlePayment.ts";
import { supportedKinds } from "./supportedKinds.ts";

/**
 * Adds x402's facilitator routes, by which other people's servers are paid: `POST /verify`, `POST /settle`,
 * `GET /supported`. What cannot be read is a typed 400, what does not pay is a 200 with x402's reason. A settlement that is pending
 * names in `extra.settlement` where below the facilitator's URL it can be followed.
 */
export function addMerchantRoutes(app: Hono, dependencies: SettlingDependencies): void {
  const { terms } = dependencies;

  app.get("/supported", (context) => context.json(supportedKinds(terms)));

  app.post("/verify", async (context) => {
    const body = await readBody(context, paymentBodyJson);
    const payment = readMerchantPayment(body, terms, context.req.header("authorization"));
    const checked = "ok" in payment ? payment : await claimPayment(dependencies, payment);
    return context.json(verifyResponse(body, checked.ok ? undefined : checked));
  });

  app.post("/settle", async (context) => {
    const body = await readBody(context, paymentBodyJson);
    const payment = readMerchantPayment(body, terms, context.req.header("authorization"));
    if ("ok" in payment) return context.json(settleResponse(body, payment));
    const answer = settleResponse(body, await settlePayment(dependencies, payment));
    if (answer.errorReason !== "settlement_pending") return context.json(answer);
    const digest = proxyPaymentDigest(payment.scheme, payment.permit2Authorization, terms.chainId);
    return context.json({ ...answer, extra: { settlement: settlementStatusPath(digest) } });
  });
}

function verifyResponse(body: PaymentBody, refusal: Refusal | undefined): VerifyResponse {
  const payer = payerIn(body);
  const about = payer === undefined ? {} : { payer };
  if (!refusal) return { isValid: true, ...about };
  const { code, message } = refusal;
  return { isValid: false, invalidReason: code, invalidMessage: message, ...about, extra: valuesOf(refusal) };
}

function settleResponse(body: PaymentBody, outcome: PaymentAnswer | Refusal): SettleResponse {
  const payer = payerIn(body);
  const network = body.paymentRequirements.network as SettleResponse["network"];
  const about = payer === undefined ? { network } : { network, payer };
  if ("success" in outcome) return { ...outcome, ...about };
  const { code, message } = outcome;
  return {
    ...{ success: false, errorReason: code, errorMessage: message, transaction: "" },
    ...about,
    extra: valuesOf(outcome),
  };
}

/** What led to a refusal, amounts as decimal strings. */
function valuesOf({ values }: Refusal): Record<string, unknown> {
  const written = Object.entries(values).map(([name, value]) => [
    name,
    typeof value === "bigint" ? value.toString() : value,
  ]);
  return Object.fromEntries(written) as Record<string, unknown>;
}
