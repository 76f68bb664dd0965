import type { PaymentFacts } from "#chain/chainFacts.ts";
import { type CheckResult, passed, refused } from "./check.ts";
import type { PaymentTerms, SignedPayment } from "./payment.ts";
import { recoverSigner } from "#service/recoverSigner.ts";

/**
 * The payer signed exactly this authorization. As Permit2 decides: a payer with code is asked (EIP-1271), any other must
 * be the one whom the signature recovers to. Taken are 65 bytes with v 27 or 28, and EIP-2098's 64 bytes; never a high s.
 */
export function checkSignature(
  { authorization, signature, digest }: SignedPayment,
  { chainId }: Pick<PaymentTerms, "chainId">,
  facts: Pick<PaymentFacts, "payerHasCode" | "contractAcceptsSignature">,
): CheckResult {
  const isPayers = facts.payerHasCode
    ? facts.contractAcceptsSignature === true
    : recoverSigner(digest, signature) === authorization.from;
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
