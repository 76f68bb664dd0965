import { type CheckResult, firstRefusal } from "./check.ts";
import { checkAllowance, checkBalance, checkNonce, checkTokenDeployed } from "./checkFunds.ts";
import { checkSignature } from "./checkSignature.ts";
import {
  checkAmount,
  checkFacilitator,
  checkNotExpired,
  checkNotTooFar,
  checkSpender,
  checkToken,
  checkWitness,
} from "./checkTerms.ts";
import type { PaymentFacts, PaymentTerms, TaskPayment } from "./payment.ts";

/** In the order in which a payer hears about them; none of these needs the chain. */
const termsChecks = [
  checkSpender,
  checkFacilitator,
  checkWitness,
  checkNotExpired,
  checkNotTooFar,
  checkAmount,
  checkToken,
];

const chainChecks = [checkTokenDeployed, checkSignature, checkBalance, checkAllowance, checkNonce];

/** The part of {@link checkPayment} that needs nothing but the payment itself: it goes before any question to the chain. */
export function checkPaymentTerms(payment: TaskPayment, terms: PaymentTerms, nowSeconds: number): CheckResult {
  return firstRefusal(termsChecks.map((check) => () => check(payment, terms, nowSeconds)));
}

/** Every check of a payment whose envelope passed; the first that fails is the answer. */
export function checkPayment(
  payment: TaskPayment,
  terms: PaymentTerms,
  facts: PaymentFacts,
  nowSeconds: number,
): CheckResult {
  return firstRefusal([
    () => checkPaymentTerms(payment, terms, nowSeconds),
    ...chainChecks.map((check) => () => check(payment, terms, facts)),
  ]);
}
