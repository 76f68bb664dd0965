import { setTimeout as sleep } from "node:timers/promises";
import { readPaymentFacts } from "#chain/chainFacts.ts";
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
import { proxyPaymentDigest } from "#protocol/proxyPayment.ts";
import type { Exposure, NonceOutcome } from "#store/facilitatorClaims.ts";
import type { StoredPayment } from "#store/facilitatorPayments.ts";

const TAKEN = "pays for something already";
/** A use that was not settled in that time counts as lost when the same payment comes again. */
const LOST_AFTER_SECONDS = 4;
/** However long an authorization holds: what its merchant does not settle within a day is not owed any more. */
const MAX_CLAIM_SECONDS = 86_400;

/**
 * Checks a merchant's payment and claims it until its deadline: from then on nobody else is told that it is valid. Only with
 * its payment-identifier the same payment passes a second time, as long as it is not settled.
 *
 * @throws OpgError `chain_unavailable`
 */
export async function claimPayment(dependencies: Dependencies, payment: MerchantPayment): Promise<CheckResult> {
  const { terms, clock, store, logger } = dependencies;
  const early = checkProxyTerms(payment, terms, clock());
  if (!early.ok) return early;
  const { scheme, signature, permit2Authorization } = payment;
  const digest = proxyPaymentDigest(scheme, permit2Authorization, terms.chainId);
  const known = await store.findPayment(digest);
  // The very same bytes were checked before.
  if (known?.payload.signature === signature && known.state !== "lapsed") {
    return checkRepeated(dependencies, payment, digest);
  }

  const { facts, exposure } = await readFacts(dependencies, payment, digest);
  const checked = checkProxyPayment(payment, terms, facts, Math.max(clock(), facts.block.timestamp));
  if (!checked.ok) return checked;
  const permit =
    typeof payment.permit === "object" && needsPermit(sponsorshipOf(payment, facts)) ? payment.permit : null;
  const allowance = permit?.amount ?? facts.allowance;
  const outcome = await store.claimPayment(
    {
      ...{ digest, scheme, payload: { signature, permit2Authorization }, permit, claimedBlock: facts.block.number },
      ...{ merchant: payment.merchant, resource: payment.resource, lapsesAt: lapseOf(payment, facts, clock()) },
    },
    {
      identifier: payment.identifier,
      funds: facts.balance < allowance ? facts.balance : allowance,
      ...capOf(dependencies, payment, exposure),
    },
  );
  if (outcome.outcome === "claimed") {
    const { from: payer, permitted, witness } = permit2Authorization;
    logger.info({ payment: digest, payer, payee: witness.to, amount: permitted.amount }, "merchant's payment claimed");
  }
  return outcome.outcome === "held" && outcome.holder === digest
    ? checkRepeated(dependencies, payment, digest)
    : checkOutcome(dependencies, payment, outcome, { ...facts, allowance });
}

async function readFacts({ provider, store }: Dependencies, payment: MerchantPayment, digest: string) {
  const { signature, permit2Authorization } = payment;
  const { from: payer, nonce, permitted } = permit2Authorization;
  const { token, amount } = permitted;
  const [chainFacts, exposure] = await Promise.all([
    readPaymentFacts(provider, { token, payer, nonce, digest, signature }),
    store.exposureOf(payer, token),
  ]);
  const { outstanding } = exposure;
  const facts: ProxyFacts = { ...chainFacts, outstanding };
  if (facts.allowance >= amount + outstanding) return { facts, exposure };
  const permits = await readPermitFacts(provider, token, payer, chainFacts.block.number);
  return { facts: permits ? { ...facts, permits } : facts, exposure };
}

/** The limit is in our own token. A single payment may be above it; after a loss a payer has no other beside it. */
function capOf({ terms }: Dependencies, payment: MerchantPayment, { outstanding, lost }: Exposure): { cap?: bigint } {
  const { token, amount } = payment.permit2Authorization.permitted;
  if (token !== terms.token || (lost > 0n && outstanding === 0n)) return {};
  return { cap: terms.exposureCap > amount ? terms.exposureCap : amount };
}

/**
 * The same payment again: it has to say so by its identifier, and must not be on its way or settled. It waits for the first
 * use, which may still be served. Where no settlement comes, that one counts as lost and this one takes its place, once: a
 * payer chooses identifiers alone, and could otherwise have one payment served as often as it likes.
 */
async function checkRepeated({ store }: Dependencies, payment: MerchantPayment, digest: string): Promise<CheckResult> {
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
