import type { ProxyPayload } from "#protocol/proxyPayment.ts";
import type { StoredPayment } from "#store/facilitatorPayments.ts";

/** Tokens and payers may be anybody's contracts. A plain settlement needs less than 120,000; more than this we do not pay for. */
export const MAX_SETTLE_GAS = 500_000n;

const HEADROOM_PERCENT = 130n;
/** A payee who had none of the token before, and a nonce in a new word, cost 17,100 each more than the ones that were seen. */
const FIRST_TIME_GAS = 40_000n;

/** What settlements have used, by token and way, so that it need not be asked each time. */
export class SettlementGas {
  readonly #most = new Map<string, bigint>();

  /** Notes what a settlement has used. */
  learn(payment: Pick<StoredPayment, "scheme" | "payload">, gasUsed: bigint): void {
    const key = keyOf(payment);
    if (gasUsed > (this.#most.get(key) ?? 0n)) this.#most.set(key, gasUsed);
  }

  /** A limit that suffices for another one; nothing where none was seen. */
  limitFor(payment: Pick<StoredPayment, "scheme" | "payload">): bigint | undefined {
    const most = this.#most.get(keyOf(payment));
    if (most === undefined) return undefined;
    const limit = (most * HEADROOM_PERCENT) / 100n + FIRST_TIME_GAS;
    return limit < MAX_SETTLE_GAS ? limit : MAX_SETTLE_GAS;
  }
}

function keyOf({ scheme, payload }: { scheme: string; payload: ProxyPayload }): string {
  const { permitted, witness } = payload.permit2Authorization;
  return `${scheme} ${permitted.token} ${witness.facilitator ?? ""}`;
}
