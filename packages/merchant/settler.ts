import type { SettleResponse } from "@x402/core/types";

const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 10_000;

/** A payment that is to be settled. */
export interface DuePayment {
  /** Not later than this, seconds since 1970. */
  settleBy: number;
  /** Asks the facilitator once. @throws Error where it is not known how that ended */
  ask: () => Promise<SettleResponse>;
  /** Told once how the payment ended. */
  onKnown: (outcome: Outcome) => void;
}

/** How a payment ended. */
export type Outcome = { transaction: string } | { reason: string; message: string };

/**
 * Settles payments, each until it is known how it ended: a facilitator that does not answer, or has no block to show yet, is
 * asked again as long as the authorization holds. It gives the same payment the same answer, so asking again charges nothing.
 */
export class Settler {
  readonly #clock: () => number;
  readonly #running = new Set<Promise<void>>();
  #isStopped = false;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Begins to settle. */
  settle({ settleBy, ask, onKnown }: DuePayment): void {
    const settling = untilKnown(ask, () => !this.#isStopped && this.#clock() < settleBy).then((outcome) => {
      this.#running.delete(settling);
      onKnown(outcome);
    });
    this.#running.add(settling);
  }

  /** Asks for nothing a second time any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** How many payments are being settled. */
  get size(): number {
    return this.#running.size;
  }

  /** Resolves when nothing is left to be settled. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

async function untilKnown(ask: DuePayment["ask"], mayAskAgain: () => boolean): Promise<Outcome> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, MAX_WAIT_MS)) {
    const answer = await askOnce(ask);
    if (answer.isKnown) return answer.outcome;
    if (!mayAskAgain()) {
      const message = `The authorization ended before it was known whether the payment is settled: ${answer.problem}`;
      return { reason: "settlement_unknown", message };
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function askOnce(
  ask: DuePayment["ask"],
): Promise<{ isKnown: true; outcome: Outcome } | { isKnown: false; problem: string }> {
  try {
    const { success, transaction, errorReason = "settlement_failed", errorMessage = errorReason } = await ask();
    if (success) return { isKnown: true, outcome: { transaction } };
    if (errorReason === "settlement_pending") return { isKnown: false, problem: errorMessage };
    return { isKnown: true, outcome: { reason: errorReason, message: errorMessage } };
  } catch (error) {
    return { isKnown: false, problem: error instanceof Error ? error.message : "no answer" };
  }
}
