/**
 * Header of an answer that is settled after it has ended: the path where its facilitator tells how the settlement stands. x402's
 * PAYMENT-RESPONSE, which tells the same, can only stand in the head of an answer that was settled before.
 */
export const PAYMENT_SETTLEMENT = "PAYMENT-SETTLEMENT";

/**
 * Where a facilitator tells how a settlement stands.
 *
 * @param id - EIP-712 digest that the payer signed
 */
export function settlementUrl(facilitator: string, id: string): string {
  return `${facilitator.replace(/\/+$/, "")}/settlements/${id}`;
}
