import { type CheckResult, firstRefusal } from "./check.ts";
import {
  checkAllowed,
  checkBalance,
  checkNonce,
  checkNotPaused,
  checkPermit,
  checkTokenDeployed,
} from "./checkFunds.ts";
import { checkNodeActive } from "./checkNode.ts";
import { checkProxyAmount, checkProxyDeadline, checkProxySpender, checkProxyValidAfter } from "./checkProxyTerms.ts";
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
import { checkProposedTask, checkUptoDeadline, checkUptoEntry, checkUptoRecipient } from "./checkUptoTask.ts";
import type { PaymentFacts, PaymentTerms, TaskPayment, UptoPayment, WitnessedPayment } from "./payment.ts";

/** In the order in which a payer hears about them; none of these needs the chain. */
const witnessedChecks = [
  checkSpender,
  checkFacilitator,
  checkWitness,
  checkNotExpired,
  checkNotTooFar,
  checkAmount,
  checkToken,
] satisfies readonly TermsCheck<WitnessedPayment>[];

/** The same in x402's order. */
const uptoChecks = [
  ({ proxy }) => checkProxySpender(proxy),
  checkUptoRecipient,
  checkUptoEntry,
  ({ proxy }, terms, nowSeconds) => checkProxyDeadline(proxy, terms, nowSeconds),
  checkUptoDeadline,
  ({ proxy }, terms, nowSeconds) => checkProxyValidAfter(proxy, terms, nowSeconds),
  ({ proxy }) => checkProxyAmount(proxy),
  checkToken,
  checkProposedTask,
] satisfies readonly TermsCheck<UptoPayment>[];

const chainChecks = [
  checkTokenDeployed,
  checkSignature,
  checkPermit,
  checkBalance,
  checkAllowed,
  checkNonce,
  checkNotPaused,
  (payment, _terms, facts) => checkNodeActive(payment, facts),
] satisfies readonly ChainCheck[];

type ChainCheck = (payment: TaskPayment, terms: PaymentTerms, facts: PaymentFacts, nowSeconds: number) => CheckResult;
type TermsCheck<Payment> = (payment: Payment, terms: PaymentTerms, nowSeconds: number) => CheckResult;

/** The part of {@link checkPayment} that needs nothing but the payment itself: it goes before any question to the chain. */
export function checkPaymentTerms(payment: TaskPayment, terms: PaymentTerms, nowSeconds: number): CheckResult {
  return payment.scheme === "task"
    ? firstRefusal(witnessedChecks.map((check) => () => check(payment, terms, nowSeconds)))
    : firstRefusal(uptoChecks.map((check) => () => check(payment, terms, nowSeconds)));
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
    ...chainChecks.map((check) => () => check(payment, terms, facts, nowSeconds)),
  ]);
}
