import { proxyAddresses } from "#protocol/proxyPayment.ts";
import { type CheckResult, passed, refused } from "./check.ts";
import type { ProxyPayment, ProxyTerms } from "./proxyPayment.ts";

/** Seconds that an authorization must still be good for; stock facilitators ask for as many. */
export const AUTHORIZATION_MARGIN_SECONDS = 6;

/** The money may be moved by the scheme's proxy, and by nobody else. */
export function checkProxySpender({ scheme, permit2Authorization: { spender } }: ProxyPayment): CheckResult {
  const need = proxyAddresses[scheme];
  if (spender === need) return passed;
  const words = `The authorization lets ${spender} spend; sign one for x402's proxy ${need}.`;
  return refused("invalid_permit2_spender", words, { have: spender, need });
}

/** The payment goes where the merchant says; never to TaskEscrow, whose tasks are paid for at `POST /tasks`. */
export function checkProxyRecipient(
  { permit2Authorization, requirements: { payTo } }: ProxyPayment,
  { taskEscrow }: ProxyTerms,
): CheckResult {
  const { to } = permit2Authorization.witness;
  if (to !== payTo) {
    const words = `The authorization pays ${to}, asked for is ${payTo}; sign one for that.`;
    return refused("invalid_permit2_recipient_mismatch", words, { have: to, need: payTo });
  }
  if (to !== taskEscrow) return passed;
  const words = `Money at TaskEscrow ${taskEscrow} belongs to tasks; name an address of your own in payTo.`;
  return refused("invalid_permit2_recipient_mismatch", words, { have: to });
}

/** Under `upto` only whom the authorization names can settle: that has to be us, by our entry or our signer. */
export function checkProxyFacilitator(
  { scheme, permit2Authorization }: ProxyPayment,
  { facilitator, entry }: ProxyTerms,
): CheckResult {
  const have = permit2Authorization.witness.facilitator;
  if (scheme === "exact" || have === entry || have === facilitator) return passed;
  const words = `The authorization names facilitator ${have ?? "none"}; sign one for ${entry}, or send it to the one it names.`;
  return refused("upto_facilitator_mismatch", words, { have, need: entry });
}

/** There is time left to settle. */
export function checkProxyDeadline(
  { permit2Authorization: { deadline } }: ProxyPayment,
  _terms: ProxyTerms,
  nowSeconds: number,
): CheckResult {
  const need = BigInt(nowSeconds + AUTHORIZATION_MARGIN_SECONDS);
  if (deadline >= need) return passed;
  const words = `The authorization ends at ${deadline} and had to last until ${need}; sign a new one.`;
  return refused("permit2_deadline_expired", words, { have: deadline, need });
}

/** It can be settled already. */
export function checkProxyValidAfter(
  { permit2Authorization }: ProxyPayment,
  _terms: ProxyTerms,
  nowSeconds: number,
): CheckResult {
  const { validAfter } = permit2Authorization.witness;
  if (validAfter <= BigInt(nowSeconds)) return passed;
  const words = `The authorization begins at ${validAfter}, and now it is ${nowSeconds}; sign one that has begun.`;
  return refused("permit2_not_yet_valid", words, { have: validAfter, need: nowSeconds });
}

/** The authorization is for the amount that was asked for, which is not nothing. */
export function checkProxyAmount({ permit2Authorization, requirements }: ProxyPayment): CheckResult {
  const { amount } = permit2Authorization.permitted;
  const need = requirements.amount;
  if (amount !== need) {
    const words = `The authorization is for ${amount} atomic units; sign one for ${need}.`;
    return refused("permit2_amount_mismatch", words, { have: amount, need });
  }
  if (amount > 0n) return passed;
  return refused("permit2_invalid_amount", "The payment is for nothing; ask for 1 atomic unit or more.", { amount });
}

/** The authorization is for the token that was asked for. */
export function checkProxyToken({ permit2Authorization, requirements: { asset } }: ProxyPayment): CheckResult {
  const { token } = permit2Authorization.permitted;
  if (token === asset) return passed;
  const words = `The authorization is for token ${token}; sign one for ${asset}.`;
  return refused("permit2_token_mismatch", words, { have: token, need: asset });
}
