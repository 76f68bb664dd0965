import { PERMIT2 } from "#protocol/payment.ts";
import { type CheckResult, passed, refused } from "./check.ts";
import { checkSponsorship, needsPermit, type Sponsorship } from "./checkSponsorship.ts";
import type { PaymentFacts, PaymentTerms, TaskPayment } from "./payment.ts";

/** The token is a contract on this chain. */
export function checkTokenDeployed(
  _payment: TaskPayment,
  { token, network }: PaymentTerms,
  { tokenHasCode }: PaymentFacts,
): CheckResult {
  if (tokenHasCode) return passed;
  return refused(
    "asset_not_deployed_contract",
    `There is no contract at ${token} on ${network}; use the network's own token address.`,
    {
      token,
      network,
    },
  );
}

/** An EIP-2612 permit that came along is good for what it is for. */
export function checkPermit(
  payment: TaskPayment,
  _terms: PaymentTerms,
  facts: PaymentFacts,
  nowSeconds: number,
): CheckResult {
  return isPaidAlready(facts) ? passed : checkSponsorship(sponsorshipOf(payment, facts), nowSeconds);
}

/** The payer holds the ceiling beside what it owes already. */
export function checkBalance({ authorization }: TaskPayment, _terms: PaymentTerms, facts: PaymentFacts): CheckResult {
  const { balance, outstanding } = facts;
  const need = authorization.permitted.amount + outstanding;
  if (isPaidAlready(facts) || balance >= need) return passed;
  return refused(
    "permit2_insufficient_balance",
    `${authorization.from} has ${balance} atomic units of OPG and needs ${need}${owing(outstanding)}; add ${need - balance}.`,
    { have: balance, need, outstanding },
  );
}

/** Permit2 may move the ceiling beside what the payer owes already; or will be allowed to by the permit that came along. */
export function checkAllowed(payment: TaskPayment, { token }: PaymentTerms, facts: PaymentFacts): CheckResult {
  const { from, permitted } = payment.authorization;
  const { allowance, outstanding } = facts;
  const need = permitted.amount + outstanding;
  if (isPaidAlready(facts) || allowance >= need || needsPermit(sponsorshipOf(payment, facts))) return passed;
  return refused(
    "permit2_allowance_required",
    `Permit2 may move ${allowance} atomic units of OPG for ${from} and needs ${need}${owing(outstanding)}; approve ${PERMIT2} on ${token} once.`,
    { have: allowance, need, outstanding, permit2: PERMIT2, token, permitNonce: facts.permits?.nonce },
  );
}

/** What decides whether the payer's permit is submitted. */
export function sponsorshipOf({ permit, authorization }: TaskPayment, facts: PaymentFacts): Sponsorship {
  const { outstanding, allowance, permits } = facts;
  const { from, permitted } = authorization;
  const known = { permit, payer: from, token: permitted.token, amount: permitted.amount, outstanding, allowance };
  return permits ? { ...known, permits } : known;
}

function owing(outstanding: bigint): string {
  return outstanding > 0n ? ` with the ${outstanding} of payments that are not settled yet` : "";
}

/** The nonce funds this task and has funded no other, on chain or here. */
export function checkNonce({ authorization }: TaskPayment, _terms: PaymentTerms, facts: PaymentFacts): CheckResult {
  const { nonce } = authorization;
  if (facts.claim === "other") return nonceTaken(nonce);
  if (isPaidAlready(facts) || !facts.nonceUsed) return passed;
  return refused(
    "permit2_invalid_nonce",
    `Nonce ${nonce} was used on chain already; sign again with an unused nonce.`,
    { nonce },
  );
}

/** The nonce has another use here. */
export function nonceTaken(nonce: bigint): CheckResult {
  return refused(
    "permit2_invalid_nonce",
    `Nonce ${nonce} pays for something else already; sign again with an unused nonce.`,
    { nonce },
  );
}

/** The network takes new tasks; without a lock, no contract would say so. */
export function checkNotPaused(_payment: TaskPayment, _terms: PaymentTerms, facts: PaymentFacts): CheckResult {
  if (isPaidAlready(facts) || !facts.entriesPaused) return passed;
  return refused("facilitator_unavailable", "The network takes no new tasks at the moment; try again later.");
}

/** The same payment again gets the same answer; and a task that stands open was opened with it, whoever did so. */
export function isPaidAlready({ claim, lock }: PaymentFacts): boolean {
  return claim === "same" || lock === "open";
}
