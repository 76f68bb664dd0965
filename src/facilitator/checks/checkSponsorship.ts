import type { PermitFacts } from "#chain/permitFacts.ts";
import { type AllowancePermit, allowancePermitDigest } from "#protocol/gasSponsoring.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { type CheckResult, firstRefusal, passed, refused } from "./check.ts";
import { AUTHORIZATION_MARGIN_SECONDS } from "./checkProxyTerms.ts";
import { recoverSigner } from "#service/recoverSigner.ts";

/** The payment that an EIP-2612 permit is sent along with, and what the chain says. */
export interface Sponsorship {
  permit: AllowancePermit | "absent" | "malformed";
  payer: string;
  token: string;
  /** Atomic units that the payment may take. */
  amount: bigint;
  /** What the payer owes of the token at us, without this payment; atomic units. */
  outstanding: bigint;
  /** What Permit2 may move now, atomic units. */
  allowance: bigint;
  permits?: PermitFacts;
}

/** Whether the payment needs its permit: without one, or where the allowance suffices, nothing is submitted. */
export function needsPermit({ permit, allowance, amount, outstanding }: Sponsorship): boolean {
  return permit !== "absent" && allowance < outstanding + amount;
}

/**
 * A permit that was sent along is one of this payer and token for Permit2 and this amount; and where it is needed, the
 * token will take it. In x402's order.
 */
export function checkSponsorship(sponsorship: Sponsorship, nowSeconds: number): CheckResult {
  const { permit } = sponsorship;
  if (permit === "absent") return passed;
  if (permit === "malformed") {
    const words =
      "The EIP-2612 permit cannot be read; give every field of extensions.eip2612GasSponsoring as its schema says.";
    return refused("invalid_eip2612_extension_format", words);
  }
  return firstRefusal([
    () => checkParties(permit, sponsorship),
    () => checkPermitDeadline(permit, nowSeconds),
    () => checkPermitAmount(permit, sponsorship),
    () => (needsPermit(sponsorship) ? checkTaken(permit, sponsorship) : passed),
  ]);
}

function checkParties({ from, asset, spender }: AllowancePermit, { payer, token }: Sponsorship): CheckResult {
  const wrong = (have: string, need: string) =>
    [`The EIP-2612 permit names ${have}; sign one that names ${need}.`, { have, need }] as const;
  if (from !== payer) return refused("eip2612_from_mismatch", ...wrong(from, payer));
  if (asset !== token) return refused("eip2612_asset_mismatch", ...wrong(asset, token));
  if (spender !== PERMIT2) return refused("eip2612_spender_not_permit2", ...wrong(spender, PERMIT2));
  return passed;
}

function checkPermitDeadline({ deadline }: AllowancePermit, nowSeconds: number): CheckResult {
  const need = BigInt(nowSeconds + AUTHORIZATION_MARGIN_SECONDS);
  if (deadline >= need) return passed;
  const words = `The EIP-2612 permit ends at ${deadline} and had to last until ${need}; sign a new one.`;
  return refused("eip2612_deadline_expired", words, { have: deadline, need });
}

/** A permit replaces the allowance, so it has to cover what is owed already as well. */
function checkPermitAmount(permit: AllowancePermit, sponsorship: Sponsorship): CheckResult {
  const { amount, outstanding } = sponsorship;
  const need = needsPermit(sponsorship) ? outstanding + amount : amount;
  if (permit.amount >= need) return passed;
  const words = `The EIP-2612 permit is for ${permit.amount} atomic units; sign one for ${need} or more.`;
  return refused("permit2_2612_amount_mismatch", words, { have: permit.amount, need });
}

/** The token will take it: its nonce is the next one, and the owner signed it. */
function checkTaken(permit: AllowancePermit, { payer, token, amount, permits }: Sponsorship): CheckResult {
  if (!permits) {
    const words = `Token ${token} takes no EIP-2612 permits; approve ${PERMIT2} on it once.`;
    return refused("permit2_allowance_required", words, { need: amount, permit2: PERMIT2, token });
  }
  const values = { need: amount, permit2: PERMIT2, token, permitNonce: permits.nonce };
  if (permit.nonce !== permits.nonce) {
    const words = `The EIP-2612 permit has nonce ${permit.nonce}; sign one with nonce ${permits.nonce}.`;
    return refused("permit2_allowance_required", words, values);
  }
  if (recoverSigner(allowancePermitDigest(permit, permits.domainSeparator), permit.signature) === payer) return passed;
  const words = `The EIP-2612 permit is not signed by ${payer} in the token's own domain; sign it again.`;
  return refused("permit2_allowance_required", words, values);
}
