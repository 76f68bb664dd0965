import { PERMIT2 } from "#protocol/payment.ts";
import { type CheckResult, passed, type Refusal, refused } from "./check.ts";
import { checkSponsorship, needsPermit, type Sponsorship } from "./checkSponsorship.ts";
import type { ProxyFacts, ProxyPayment, ProxyTerms } from "./proxyPayment.ts";
import { recoverSigner } from "#service/recoverSigner.ts";

/** The token is a contract on this chain. */
export function checkProxyAsset(payment: ProxyPayment, { network }: ProxyTerms, facts: ProxyFacts): CheckResult {
  if (facts.tokenHasCode) return passed;
  const { asset } = payment.requirements;
  const words = `There is no contract at ${asset} on ${network}; ask for a token that is there.`;
  return refused("asset_not_deployed_contract", words, { token: asset, network });
}

/** The payer signed exactly this authorization; as Permit2 decides, a payer with code is asked (EIP-1271). */
export function checkProxySignature(payment: ProxyPayment, { chainId }: ProxyTerms, facts: ProxyFacts): CheckResult {
  const { permit2Authorization, digest, signature } = payment;
  const { from } = permit2Authorization;
  const isPayers = facts.payerHasCode
    ? facts.contractAcceptsSignature === true
    : recoverSigner(digest, signature) === from;
  if (isPayers) return passed;
  const words = `The signature is not ${from}'s for this authorization; sign it with that account, on chain ${chainId}.`;
  return refused("invalid_permit2_signature", words, { payer: from, chainId });
}

/** A permit that was sent along will do what it is for. */
export function checkProxySponsorship(
  payment: ProxyPayment,
  _terms: ProxyTerms,
  facts: ProxyFacts,
  nowSeconds: number,
): CheckResult {
  return checkSponsorship(sponsorshipOf(payment, facts), nowSeconds);
}

/** The payer holds the amount, beside what is owed already. */
export function checkProxyBalance(payment: ProxyPayment, _terms: ProxyTerms, facts: ProxyFacts): CheckResult {
  const { from, permitted } = payment.permit2Authorization;
  const need = permitted.amount + facts.outstanding;
  if (facts.balance >= need) return passed;
  const words = `${from} has ${facts.balance} atomic units of ${permitted.token} and needs ${need}, what is unsettled included; add ${need - facts.balance}.`;
  return refused("permit2_insufficient_balance", words, { have: facts.balance, need });
}

/** Permit2 may move the amount, beside what is owed already; or will be allowed to by the permit that was sent along. */
export function checkProxyAllowance(payment: ProxyPayment, _terms: ProxyTerms, facts: ProxyFacts): CheckResult {
  const { from, permitted } = payment.permit2Authorization;
  const need = permitted.amount + facts.outstanding;
  if (facts.allowance >= need || needsPermit(sponsorshipOf(payment, facts))) return passed;
  const words = `Permit2 may move ${facts.allowance} atomic units of ${permitted.token} for ${from} and needs ${need}; approve ${PERMIT2} on it once, or send an EIP-2612 permit.`;
  const values = { have: facts.allowance, need, permit2: PERMIT2, token: permitted.token };
  return refused("permit2_allowance_required", words, { ...values, permitNonce: facts.permits?.nonce });
}

/** The nonce was not used on chain. */
export function checkProxyNonce(payment: ProxyPayment, _terms: ProxyTerms, { nonceUsed }: ProxyFacts): CheckResult {
  return nonceUsed ? nonceTaken(payment, "was used on chain already") : passed;
}

/** @param how - what has become of the nonce, as the end of a sentence */
export function nonceTaken({ permit2Authorization: { nonce } }: ProxyPayment, how: string): Refusal {
  return refused("permit2_invalid_nonce", `Nonce ${nonce} ${how}; sign again with an unused nonce.`, { nonce });
}

/** What is to be known about the permit that came with a payment. */
export function sponsorshipOf({ permit, permit2Authorization }: ProxyPayment, facts: ProxyFacts): Sponsorship {
  const { from, permitted } = permit2Authorization;
  const { outstanding, allowance, permits } = facts;
  const known = { permit, payer: from, token: permitted.token, amount: permitted.amount, outstanding, allowance };
  return permits ? { ...known, permits } : known;
}
