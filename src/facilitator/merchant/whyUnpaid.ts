import type { PaymentFacts } from "#chain/chainFacts.ts";
import type { ErrorCode } from "#protocol/errors.ts";
import type { Loss } from "#store/facilitatorClaims.ts";
import type { PaymentAnswer, StoredPayment } from "#store/facilitatorPayments.ts";

/** How a payment ends that the chain refuses, and what the merchant loses by the payer's doing. */
export interface UnpaidEnd {
  answer: PaymentAnswer;
  loss?: Loss;
  /** Whether the chain shows why. Where not, it may be otherwise at the next block. */
  isExplained: boolean;
}

interface Reason {
  code: ErrorCode;
  words: string;
  isExplained: boolean;
  /** Whether the payer has brought it about after the claim. */
  isPayers: boolean;
}

/**
 * Says why the chain refuses a payment that was claimed, from what the chain says now.
 *
 * @param amount - what was to be settled, atomic units
 * @param revert - the contract's own words, where there are any
 */
export function whyUnpaid(
  payment: Pick<StoredPayment, "scheme" | "payload" | "reorged">,
  amount: bigint,
  facts: PaymentFacts,
  revert: string | undefined,
): UnpaidEnd {
  const { code, words, isExplained, isPayers } = reasonOf(payment, amount, facts, revert);
  const answer = { success: false, errorReason: code, errorMessage: words, transaction: "" };
  const { to } = payment.payload.permit2Authorization.witness;
  const share = { role: "merchant" as const, recipient: to, amount };
  // The merchant was told of a success that the chain took back: whoever brought it about, the merchant has lost it.
  if (payment.reorged) {
    return { answer, isExplained, loss: { reason: "reorganised", shares: [share] } };
  }
  return isPayers ? { answer, isExplained, loss: { reason: code, shares: [share] } } : { answer, isExplained };
}

function reasonOf(
  { scheme, payload }: Pick<StoredPayment, "scheme" | "payload">,
  amount: bigint,
  facts: PaymentFacts,
  revert = "no reason given",
): Reason {
  const { from, nonce, deadline } = payload.permit2Authorization;
  const payers = (code: ErrorCode, words: string): Reason => ({ code, words, isExplained: true, isPayers: true });
  if (facts.nonceUsed) {
    return payers("permit2_invalid_nonce", `Nonce ${nonce} was used meanwhile, and has paid nobody.`);
  }
  if (deadline < BigInt(facts.block.timestamp)) {
    const words = `The authorization ended at ${deadline}; settle earlier.`;
    return { code: "permit2_deadline_expired", words, isExplained: true, isPayers: false };
  }
  if (facts.balance < amount) {
    return payers("permit2_insufficient_balance", `${from} holds ${facts.balance} by now, and ${amount} are due.`);
  }
  if (facts.allowance < amount) {
    return payers(
      "permit2_allowance_required",
      `Permit2 may move ${facts.allowance} of ${from}'s by now, and ${amount} are due.`,
    );
  }
  if (facts.payerHasCode && facts.contractAcceptsSignature !== true) {
    return payers("invalid_permit2_signature", `The contract of ${from} does not take the signature any more.`);
  }
  const code = scheme === "exact" ? "invalid_exact_evm_transaction_failed" : "invalid_upto_evm_transaction_failed";
  return { code, words: `The chain refuses the settlement (${revert}).`, isExplained: false, isPayers: false };
}
