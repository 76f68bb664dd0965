import { type CheckResult, firstRefusal } from "./check.ts";
import {
  checkProxyAllowance,
  checkProxyAsset,
  checkProxyBalance,
  checkProxyNonce,
  checkProxySignature,
  checkProxySponsorship,
} from "./checkProxyFunds.ts";
import {
  checkProxyAmount,
  checkProxyDeadline,
  checkProxyFacilitator,
  checkProxyRecipient,
  checkProxySpender,
  checkProxyToken,
  checkProxyValidAfter,
} from "./checkProxyTerms.ts";
import type { ProxyFacts, ProxyPayment, ProxyTerms } from "./proxyPayment.ts";

/** In the order of x402's own facilitators, whose reasons clients know; none of these needs the chain. */
const termsChecks = [
  checkProxySpender,
  checkProxyRecipient,
  checkProxyFacilitator,
  checkProxyDeadline,
  checkProxyValidAfter,
  checkProxyAmount,
  checkProxyToken,
];

const chainChecks = [
  checkProxyAsset,
  checkProxySignature,
  checkProxySponsorship,
  checkProxyBalance,
  checkProxyAllowance,
  checkProxyNonce,
];

/** The part of {@link checkProxyPayment} that needs nothing but the payment itself. */
export function checkProxyTerms(payment: ProxyPayment, terms: ProxyTerms, nowSeconds: number): CheckResult {
  return firstRefusal(termsChecks.map((check) => () => check(payment, terms, nowSeconds)));
}

/** Every check of a merchant's payment whose envelope passed; the first that fails is the answer. */
export function checkProxyPayment(
  payment: ProxyPayment,
  terms: ProxyTerms,
  facts: ProxyFacts,
  nowSeconds: number,
): CheckResult {
  return firstRefusal([
    () => checkProxyTerms(payment, terms, nowSeconds),
    ...chainChecks.map((check) => () => check(payment, terms, facts, nowSeconds)),
  ]);
}
