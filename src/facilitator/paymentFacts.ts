import { readPaymentFacts } from "#chain/chainFacts.ts";
import { readPermitFacts } from "#chain/permitFacts.ts";
import type { Holding } from "#store/taskClaims.ts";
import type { PaymentFacts, TaskPayment } from "./checks/payment.ts";
import type { Dependencies } from "./dependencies.ts";

/**
 * Asks the chain and our own store everything that a payment for a task is checked by.
 *
 * @returns also what has its nonce or its payment-identifier here
 * @throws OpgError `chain_unavailable`
 */
export async function taskPaymentFacts(
  { provider, escrow, store, terms }: Dependencies,
  { authorization, digest, signature, identifier }: TaskPayment,
  taskId: string,
): Promise<{ facts: PaymentFacts; holding: Holding | undefined }> {
  const { token } = terms;
  const { from: payer, nonce, permitted } = authorization;
  const [chainFacts, lock, entriesPaused, holding, { outstanding }] = await Promise.all([
    readPaymentFacts(provider, { token, payer, nonce, digest, signature }),
    escrow.lockOf(taskId),
    escrow.entriesPaused(),
    store.holdingOf(payer, nonce, identifier),
    store.exposureOf(payer, token),
  ]);
  // Only a permit helps then, so the answer says which one the token would take.
  const isShort = chainFacts.allowance < permitted.amount + outstanding;
  const permits = isShort ? await readPermitFacts(provider, token, payer) : undefined;
  const claim = claimIn(holding, digest);
  const facts = { ...chainFacts, lock: lock.status, entriesPaused, claim, outstanding };
  return { facts: permits ? { ...facts, permits } : facts, holding };
}

function claimIn(holding: Holding | undefined, digest: string): PaymentFacts["claim"] {
  if (holding === undefined) return "free";
  return holding.by === "identifier" || holding.paymentDigest === digest ? "same" : "other";
}
