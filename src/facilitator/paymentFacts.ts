import type { PaymentQuestion } from "#chain/chainFacts.ts";
import type { PayerStates } from "#chain/payerStates.ts";
import { readPermitFacts } from "#chain/permitFacts.ts";
import type { Holding } from "#store/taskClaims.ts";
import type { PaymentFacts, TaskPayment } from "./checks/payment.ts";
import { recoverSigner } from "#service/recoverSigner.ts";
import type { Dependencies } from "./dependencies.ts";

/**
 * Everything that a payment for a task is checked by: of the chain what is known of its newest block, and from our own store.
 *
 * @returns also what has its nonce or its payment-identifier here
 * @throws OpgError `chain_unavailable`
 */
export async function taskPaymentFacts(
  { provider, payers, entriesPaused, activeAt, escrow, store, terms }: Dependencies,
  { task, authorization, digest, signature, identifier }: TaskPayment,
  taskId: string,
): Promise<{ facts: PaymentFacts; holding: Holding | undefined }> {
  const { token } = terms;
  const { from: payer, nonce, permitted } = authorization;
  const [chainFacts, holding] = await Promise.all([
    payerFacts(payers, { token, payer, nonce, digest, signature }),
    store.holdingOf(payer, nonce, identifier),
  ]);
  const { outstanding } = await store.exposureOf(payer, token, chainFacts.block.number);
  // Only a permit helps then, so the answer says which one the token would take.
  const isShort = chainFacts.allowance < permitted.amount + outstanding;
  const [isPaused, nodeActive, lock, permits] = await Promise.all([
    entriesPaused(chainFacts.block),
    activeAt(task.node, chainFacts.block),
    // Whatever locks a task uses the payer's nonce up.
    chainFacts.nonceUsed ? escrow.lockOf(taskId) : { status: "none" as const },
    isShort ? readPermitFacts(provider, token, payer) : undefined,
  ]);
  const claim = claimIn(holding, digest);
  const facts = { ...chainFacts, lock: lock.status, entriesPaused: isPaused, nodeActive, claim, outstanding };
  return { facts: permits ? { ...facts, permits } : facts, holding };
}

/**
 * What the chain says about a payment. Only whose own key has signed may come to be followed by {@link PayerStates}:
 * anybody could otherwise have it follow wallets without end, in others' names.
 *
 * @throws OpgError `chain_unavailable`
 */
export function payerFacts(payers: PayerStates, question: PaymentQuestion): ReturnType<PayerStates["factsOf"]> {
  const isPayers = recoverSigner(question.digest, question.signature) === question.payer;
  return isPayers ? payers.factsOf(question) : payers.unfollowedFactsOf(question);
}

function claimIn(holding: Holding | undefined, digest: string): PaymentFacts["claim"] {
  if (holding === undefined) return "free";
  return holding.by === "identifier" || holding.paymentDigest === digest ? "same" : "other";
}
