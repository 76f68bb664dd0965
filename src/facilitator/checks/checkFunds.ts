import { PERMIT2 } from "#protocol/payment.ts";
import { type CheckResult, passed, refused } from "./check.ts";
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

/** The payer holds the ceiling. */
export function checkBalance({ authorization }: TaskPayment, _terms: PaymentTerms, facts: PaymentFacts): CheckResult {
  const need = authorization.permitted.amount;
  if (isPaidAlready(facts) || facts.balance >= need) return passed;
  return refused(
    "permit2_insufficient_balance",
    `${authorization.from} has ${facts.balance} atomic units of OPG and needs ${need}; add ${need - facts.balance}.`,
    {
      have: facts.balance,
      need,
    },
  );
}

/** Permit2 may move the ceiling for the payer. */
export function checkAllowance(
  { authorization }: TaskPayment,
  { token }: PaymentTerms,
  facts: PaymentFacts,
): CheckResult {
  const need = authorization.permitted.amount;
  if (isPaidAlready(facts) || facts.allowance >= need) return passed;
  return refused(
    "permit2_allowance_required",
    `Permit2 may move ${facts.allowance} atomic units of OPG for ${authorization.from} and needs ${need}; approve ${PERMIT2} on ${token} once.`,
    {
      have: facts.allowance,
      need,
      permit2: PERMIT2,
      token,
    },
  );
}

/** The nonce funds this task and has funded no other, on chain or here. */
export function checkNonce({ authorization }: TaskPayment, _terms: PaymentTerms, facts: PaymentFacts): CheckResult {
  const { nonce } = authorization;
  if (facts.claim === "otherTask") {
    return refused(
      "permit2_invalid_nonce",
      `Nonce ${nonce} pays for another task already; sign again with an unused nonce.`,
      { nonce },
    );
  }
  if (isPaidAlready(facts) || !facts.nonceUsed) return passed;
  return refused(
    "permit2_invalid_nonce",
    `Nonce ${nonce} was used on chain already; sign again with an unused nonce.`,
    { nonce },
  );
}

/** The same authorization again gets the same answer; and a task that stands open was opened with it, whoever did so. */
function isPaidAlready({ claim, lock }: PaymentFacts): boolean {
  return claim === "sameTask" || lock === "open";
}
