import { setTimeout as sleep } from "node:timers/promises";
import type { PaymentQuestion } from "#chain/chainFacts.ts";
import { readPermitFacts } from "#chain/permitFacts.ts";
import { type CheckResult, firstRefusal, passed, refused } from "#facilitator/checks/check.ts";
import {
  checkProxyAllowance,
  checkProxyBalance,
  nonceTaken,
  sponsorshipOf,
} from "#facilitator/checks/checkProxyFunds.ts";
import { checkProxyPayment, checkProxyTerms } from "#facilitator/checks/checkProxyPayment.ts";
import { needsPermit } from "#facilitator/checks/checkSponsorship.ts";
import type { MerchantPayment, ProxyFacts } from "#facilitator/checks/proxyPayment.ts";
import type { Dependencies } from "#facilitator/dependencies.ts";
import { payerFacts } from "#facilitator/paymentFacts.ts";
import type { AllowancePermit } from "#protocol/gasSponsoring.ts";
import { OpgError } from "#protocol/errors.ts";
import type { NonceOutcome } from "#store/facilitatorClaims.ts";
import type { StoredPayment } from "#store/facilitatorPayments.ts";

const TAKEN = "pays for something already";
/** A use that was not settled in that time counts as lost when the same payment comes again. */
const LOST_AFTER_SECONDS = 4;
/** Less than that: how long a claim waits for the chain's word on its nonce. */
const CONFIRM_SECONDS = 3;
/** However long an authorization holds: what its merchant does not settle within a day is not owed any more. */
const MAX_CLAIM_SECONDS = 86_400;

/**
 * Checks a merchant's payment and claims it until its deadline: from then on nobody else is told that it is valid. Only with
 * its payment-identifier the same payment passes a second time, as long as it is not settled.
 *
 * @throws OpgError `chain_unavailable`
 */
export async function claimPayment(dependencies: Dependencies, payment: MerchantPayment): Promise<CheckResult> {
  const { terms, clock, store } = dependencies;
  const early = checkProxyTerms(payment, terms, clock());
  if (!early.ok) return early;
  const remembered = await claimRemembered(dependencies, payment);
  if (remembered) return conclude(dependencies, payment, remembered.outcome, remembered.facts);
  const known = await store.findPayment(payment.digest);
  // The very same bytes were checked before.
  if (known?.payload.signature === payment.signature && known.state !== "lapsed") {
    return checkRepeated(dependencies, payment);
  }
  const facts = await newestFacts(dependencies, payment);
  const checked = check(dependencies, payment, facts);
  if (!checked.ok) return checked;
  return conclude(dependencies, payment, await claim(dependencies, payment, facts), facts);
}

/**
 * Claims by what is known of the payer. Where only the nonce is not, the chain is asked for it while the claim is written, and
 * has the last word: nothing is said before, and a claim of what it does not confirm is given back. What the payer owes comes to
 * light when it is claimed.
 *
 * @returns nothing where the chain has to be looked at anew
 * @throws OpgError `chain_unavailable`
 */
async function claimRemembered(
  dependencies: Dependencies,
  payment: MerchantPayment,
): Promise<{ outcome: NonceOutcome; facts: ProxyFacts } | undefined> {
  const { payers, store, clock } = dependencies;
  const looking = payerFacts(payers, questionOf(payment));
  looking.catch(() => undefined);
  const facts = { ...(payers.rememberedFactsOf(questionOf(payment)) ?? (await looking)), outstanding: 0n };
  if (!check(dependencies, payment, facts).ok) return undefined;
  const outcome = await claim(dependencies, payment, facts);
  let isConfirmed = false;
  try {
    isConfirmed = !(await isUsed(looking));
  } finally {
    if (!isConfirmed && outcome.outcome === "claimed") await store.recordLapse(payment.digest, clock());
  }
  return isConfirmed && outcome.outcome !== "uncovered" ? { outcome, facts } : undefined;
}

/** No claim stands unconfirmed for so long that the same payment could count as a repetition. */
async function isUsed(looking: ReturnType<typeof payerFacts>): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(CONFIRM_SECONDS * 1000, undefined, { signal: timer.signal }).catch(() => undefined);
  const facts = await Promise.race([looking, late]).finally(() => timer.abort());
  if (facts) return facts.nonceUsed;
  throw new OpgError("chain_unavailable", "The chain does not say whether the nonce is free; try again in a moment.");
}

/** Nobody is refused for what the newest block has mended, or without being told all that is owed. */
async function newestFacts({ provider, payers, store }: Dependencies, payment: MerchantPayment): Promise<ProxyFacts> {
  await payers.advance();
  const { from: payer, permitted } = payment.permit2Authorization;
  const { token, amount } = permitted;
  const chainFacts = await payerFacts(payers, questionOf(payment));
  const { outstanding } = await store.exposureOf(payer, token, chainFacts.block.number);
  const facts: ProxyFacts = { ...chainFacts, outstanding };
  if (facts.allowance >= amount + outstanding) return facts;
  const permits = await readPermitFacts(provider, token, payer, facts.block.number);
  return permits ? { ...facts, permits } : facts;
}

function questionOf({ digest, signature, permit2Authorization }: MerchantPayment): PaymentQuestion {
  const { from: payer, nonce, permitted } = permit2Authorization;
  return { token: permitted.token, payer, nonce, digest, signature };
}

function check({ terms, clock }: Dependencies, payment: MerchantPayment, facts: ProxyFacts): CheckResult {
  return checkProxyPayment(payment, terms, facts, Math.max(clock(), facts.block.timestamp));
}

/** The limit on what is owed is in our own token. A single payment may be above it. */
function claim({ terms, store, clock }: Dependencies, payment: MerchantPayment, facts: ProxyFacts) {
  const { digest, scheme, signature, permit2Authorization, merchant, resource, identifier } = payment;
  const permit = submittedPermit(payment, facts);
  const isCapped = permit2Authorization.permitted.token === terms.token;
  return store.claimPayment(
    {
      ...{ digest, scheme, payload: { signature, permit2Authorization }, merchant, resource, permit },
      ...{ lapsesAt: lapseOf(payment, facts, clock()), claimedBlock: facts.block.number },
    },
    {
      ...{ identifier, funds: fundsOf(payment, facts) },
      ...(isCapped ? { cap: terms.exposureCap, aloneUncapped: true } : {}),
    },
  );
}

function submittedPermit(payment: MerchantPayment, facts: ProxyFacts): AllowancePermit | null {
  return typeof payment.permit === "object" && needsPermit(sponsorshipOf(payment, facts)) ? payment.permit : null;
}

function allowanceOf(payment: MerchantPayment, facts: ProxyFacts): bigint {
  return submittedPermit(payment, facts)?.amount ?? facts.allowance;
}

function fundsOf(payment: MerchantPayment, facts: ProxyFacts): bigint {
  const allowance = allowanceOf(payment, facts);
  return facts.balance < allowance ? facts.balance : allowance;
}

function conclude(
  dependencies: Dependencies,
  payment: MerchantPayment,
  outcome: NonceOutcome,
  facts: ProxyFacts,
): Promise<CheckResult> | CheckResult {
  const { digest, permit2Authorization } = payment;
  if (outcome.outcome === "held" && outcome.holder === digest) return checkRepeated(dependencies, payment);
  if (outcome.outcome === "claimed") {
    const { from: payer, permitted, witness } = permit2Authorization;
    const about = { payment: digest, payer, payee: witness.to, amount: permitted.amount, block: facts.block.number };
    dependencies.logger.info(about, "merchant's payment claimed");
    dependencies.payers.follow({ token: permitted.token, payer });
  }
  return checkOutcome(dependencies, payment, outcome, { ...facts, allowance: allowanceOf(payment, facts) });
}

/**
 * The same payment again: it has to say so by its identifier, and must not be on its way or settled. It waits for the first
 * use, which may still be served. Where no settlement comes, that one counts as lost and this one takes its place, once: a
 * payer chooses identifiers alone, and could otherwise have one payment served as often as it likes.
 */
async function checkRepeated({ store }: Dependencies, payment: MerchantPayment): Promise<CheckResult> {
  const { digest } = payment;
  if (!isRepetition(payment, await store.findPayment(digest))) return nonceTaken(payment, TAKEN);
  await sleep(LOST_AFTER_SECONDS * 1000);
  const isSecond = await store.recordRepetition(digest, LOST_AFTER_SECONDS);
  return isSecond ? passed : nonceTaken(payment, TAKEN);
}

function isRepetition({ identifier, merchant, resource }: MerchantPayment, known: StoredPayment | undefined): boolean {
  if (known?.state !== "claimed" || known.repeated || identifier === null) return false;
  return identifier === known.identifier && merchant === known.merchant && resource === known.resource;
}

function lapseOf({ permit2Authorization }: MerchantPayment, { block }: ProxyFacts, nowSeconds: number): bigint {
  const latest = BigInt(Math.max(nowSeconds, block.timestamp) + MAX_CLAIM_SECONDS);
  return permit2Authorization.deadline < latest ? permit2Authorization.deadline : latest;
}

function checkOutcome(
  { terms }: Dependencies,
  payment: MerchantPayment,
  outcome: NonceOutcome,
  facts: ProxyFacts,
): CheckResult {
  switch (outcome.outcome) {
    case "claimed":
      return passed;
    case "held":
      return outcome.by === "nonce" ? nonceTaken(payment, TAKEN) : identifierTaken(payment.identifier);
    case "sponsoring":
      return refused("allowance_sponsoring", "Another permit of this payer's is on its way; pay again in a moment.");
    case "overexposed":
      return refused(
        "exposure_limit_reached",
        "The payer has too much unsettled at this facilitator; settle that first.",
        {
          outstanding: outcome.outstanding,
        },
      );
    case "uncovered":
      // What others claimed in the meantime is owed as well.
      return firstRefusal(
        [checkProxyBalance, checkProxyAllowance].map(
          (check) => () =>
            check({ ...payment, permit: "absent" }, terms, { ...facts, outstanding: outcome.outstanding }),
        ),
      );
  }
}

function identifierTaken(identifier: string | null): CheckResult {
  const words = "This payment-identifier was used for another payment; choose a new one.";
  return refused("payment_identifier_conflict", words, { identifier: identifier ?? undefined });
}
