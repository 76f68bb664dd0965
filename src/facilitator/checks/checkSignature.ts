import { paymentDigestOf } from "#protocol/payment.ts";
import { recoverSigner } from "./recoverSigner.ts";
import { type CheckResult, passed, refused } from "./check.ts";
import type { PaymentFacts, PaymentTerms, TaskPayment } from "./payment.ts";

/**
 * The payer signed exactly this authorization. As Permit2 decides: a payer with code is asked (EIP-1271), any other must
 * be the one whom the signature recovers to. Taken are 65 bytes with v 27 or 28, and EIP-2098's 64 bytes; never a high s.
 */
export function checkSignature(payment: TaskPayment, { chainId }: PaymentTerms, facts: PaymentFacts): CheckResult {
  const { authorization, signature } = payment;
  const isPayers = facts.payerHasCode
    ? facts.contractAcceptsSignature === true
    : recoverSigner(paymentDigestOf(authorization, chainId), signature) === authorization.from;
  if (isPayers) return passed;
  return refused(
    "invalid_permit2_signature",
    `The signature is not ${authorization.from}'s for this authorization; sign the typed data as it was given, with that account, on chain ${chainId}.`,
    {
      payer: authorization.from,
      chainId,
    },
  );
}
