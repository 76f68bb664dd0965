import type { Trail } from "../protocol/settlement.ts";

/** What a task cost, once that is certain: an account is charged under the certificate, a wallet when that is settled. */
export function finalCharge({ state, charge, account }: Trail): bigint | undefined {
  if (state === "rejected") return 0n;
  const isOver = state === "settled" || state === "refunded" || (state === "certified" && account !== undefined);
  return isOver ? BigInt(charge) : undefined;
}
