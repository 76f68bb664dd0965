import { setTimeout as sleep } from "node:timers/promises";
import { refused, type Refusal } from "#facilitator/checks/check.ts";
import { nonceTaken } from "#facilitator/checks/checkProxyFunds.ts";
import type { MerchantPayment } from "#facilitator/checks/proxyPayment.ts";
import { recoverSigner } from "#service/recoverSigner.ts";
import type { Dependencies } from "#facilitator/dependencies.ts";
import type { PaymentAnswer, StoredPayment } from "#store/facilitatorPayments.ts";
import { claimPayment } from "./claimPayment.ts";
import type { PaymentSettler } from "./paymentSettler.ts";

/** What settling needs. */
export interface SettlingDependencies extends Dependencies {
  settler: PaymentSettler;
}

/**
 * Settles a merchant's payment for the amount that its requirements ask for. Without an earlier `/verify` it is checked and
 * claimed first. The same payment again gets the same answer.
 *
 * @returns how it ended, or why it is not settled
 * @throws OpgError `chain_unavailable`
 */
export async function settlePayment(
  dependencies: SettlingDependencies,
  payment: MerchantPayment,
): Promise<PaymentAnswer | Refusal> {
  const { store, settler } = dependencies;
  const { permitted } = payment.permit2Authorization;
  const { amount } = payment.requirements;
  const { digest } = payment;

  let stored = await store.findPayment(digest);
  if (!stored || stored.state === "lapsed") {
    const whole =
      payment.scheme === "upto" ? { ...payment.requirements, amount: permitted.amount } : payment.requirements;
    const claimed = await claimPayment(dependencies, { ...payment, requirements: whole });
    stored = await store.findPayment(digest);
    if (!claimed.ok && !isClaimedMeanwhile(stored)) return claimed;
  }
  if (!stored) throw new Error("a claimed payment is stored");
  const refusal = checkAsked(payment, stored);
  if (refusal) return refusal;
  // The payer, too, could say that nothing is due. Only who is known as the merchant gives up the claim by that, else what
  // the payer holds could be promised again while the merchant still serves.
  if (amount === 0n && stored.state === "claimed" && stored.merchant === null) {
    return { success: true, transaction: "", amount: "0" };
  }
  if (
    stored.state === "claimed" &&
    !(await store.recordSettling(digest, amount)) &&
    (await hasLapsed(dependencies, digest))
  ) {
    // It lapsed just now, which its authorization may outlive: it is claimed anew, or refused for what is the matter then.
    return settlePayment(dependencies, payment);
  }
  const answer = await whenKnown(dependencies, digest, settler.settle(digest));
  if (!answer.success || answer.amount === amount.toString()) return answer;
  const words = `The payment was settled for ${answer.amount} atomic units by an earlier call, not for ${amount}.`;
  return refused("permit2_amount_mismatch", words, { have: answer.amount, need: amount });
}

/** The same `/settle` at the same time, here or at another replica, may have been first. */
function isClaimedMeanwhile(stored: StoredPayment | undefined): boolean {
  return stored !== undefined && stored.state !== "lapsed";
}

async function hasLapsed({ store }: Dependencies, digest: string): Promise<boolean> {
  return (await store.findPayment(digest))?.state === "lapsed";
}

/** Whoever asks is the merchant who verified, holds the payer's signature, and asks for what was claimed. */
function checkAsked(
  payment: MerchantPayment,
  { scheme, digest, payload, merchant }: StoredPayment,
): Refusal | undefined {
  const { permitted, witness, from } = payload.permit2Authorization;
  const { requirements, signature } = payment;
  if (signature !== payload.signature && recoverSigner(digest, signature) !== from) {
    return nonceTaken(payment, "pays for something already");
  }
  if (merchant !== null && payment.merchant !== merchant) {
    const words = "The payment was verified with an Authorization of its merchant's; settle it with the same one.";
    return refused("merchant_mismatch", words);
  }
  if (requirements.payTo !== witness.to) {
    const words = `The authorization pays ${witness.to}; ask for that.`;
    return refused("invalid_permit2_recipient_mismatch", words, { have: requirements.payTo, need: witness.to });
  }
  if (requirements.asset !== permitted.token) {
    const words = `The authorization is for token ${permitted.token}; ask for that.`;
    return refused("permit2_token_mismatch", words, { have: requirements.asset, need: permitted.token });
  }
  // Whoever is known as the merchant may waive an exact payment, too, and so give its claim up.
  if (requirements.amount === 0n && merchant !== null) return undefined;
  return checkAmount(scheme, requirements.amount, permitted.amount);
}

function checkAmount(scheme: StoredPayment["scheme"], have: bigint, need: bigint): Refusal | undefined {
  if (scheme === "upto" && have > need) {
    const words = `The authorization is for ${need} atomic units; settle at most that, not ${have}.`;
    return refused("invalid_upto_evm_payload_settlement_exceeds_amount", words, { have, need });
  }
  if (scheme === "upto" || have === need) return undefined;
  return refused("permit2_amount_mismatch", `The authorization is for ${need} atomic units, not ${have}.`, {
    have,
    need,
  });
}

/** Slow is not failed: whoever waits too long is told the transaction, and may ask again. */
async function whenKnown(
  { store, inclusionWaitSeconds, logger }: Dependencies,
  digest: string,
  settling: Promise<PaymentAnswer>,
): Promise<PaymentAnswer> {
  const timer = new AbortController();
  const timeout = sleep(inclusionWaitSeconds * 1000, undefined, { signal: timer.signal }).catch(() => undefined);
  const answer = await Promise.race([settling, timeout]).finally(() => timer.abort());
  if (answer) return answer;
  settling.catch((error: unknown) => logger.warn({ err: error, payment: digest }, "a payment's end is not known yet"));
  const stored = await store.findPayment(digest);
  const sent = stored?.transactions.findLast(({ purpose, status }) => purpose === "settle" && status !== "reverted");
  return {
    success: false,
    errorReason: "settlement_pending",
    errorMessage: "No block shows the settlement yet; ask again with the same payment, nothing is sent twice.",
    transaction: sent?.hash ?? "",
  };
}
