import type { Dependencies } from "#facilitator/dependencies.ts";
import { OpgError } from "#protocol/errors.ts";
import type { PaymentAnswer } from "#store/facilitatorPayments.ts";
import { SettlementGas } from "./settlementGas.ts";
import { settleOnChain, type SettlingMemory } from "./settleOnChain.ts";
import { UnexplainedRefusals } from "./unexplainedRefusals.ts";

/** Brings payments whose merchant settles them to their end, each by one hand at a time. */
export class PaymentSettler {
  readonly #dependencies: Dependencies;
  readonly #settling = new Map<string, Promise<PaymentAnswer>>();
  readonly #memory: SettlingMemory = { gas: new SettlementGas(), refusals: new UnexplainedRefusals() };

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Resolves when it is known how the payment ended, and that is stored. May be called at any time and any number of times,
   * in any process.
   *
   * @throws OpgError `chain_unavailable`: it is not known yet
   */
  settle(digest: string): Promise<PaymentAnswer> {
    const running = this.#settling.get(digest);
    if (running) return running;
    const settling = this.#dependencies.store.hold(leaseOf(digest), () => this.#settle(digest));
    this.#settling.set(digest, settling);
    const forget = (): boolean => this.#settling.delete(digest);
    settling.then(forget, forget);
    return settling;
  }

  /** Takes up a payment that nobody works on. */
  async finish(digest: string): Promise<void> {
    if (this.#settling.has(digest)) return;
    await this.#dependencies.store.holdIfFree(leaseOf(digest), async () => {
      await this.#settle(digest);
    });
  }

  /**
   * What somebody else's transaction paid is not watched by us: such a payment is answered, but stays `settling`, and is
   * looked at again until the block that paid it cannot be replaced any more.
   */
  async #settle(digest: string): Promise<PaymentAnswer> {
    const { store, clock, logger } = this.#dependencies;
    const stored = await store.findPayment(digest);
    if (stored?.answer) return stored.answer;
    if (stored?.state !== "settling" || stored.amount === null) {
      throw new OpgError("internal", `Payment ${digest} is not to be settled: it is ${stored?.state ?? "unknown"}.`);
    }
    const { answer, loss, isKept } = await settleOnChain(this.#dependencies, stored, stored.amount, this.#memory);
    if (!isKept) return answer;
    const ended = await store.recordPaymentEnd(digest, answer, clock(), loss);
    this.#memory.refusals.forget(digest);
    const { transaction: hash, errorReason } = ended;
    logger.info({ payment: digest, amount: stored.amount, hash, errorReason }, "merchant's payment ended");
    return ended;
  }
}

const leaseOf = (digest: string): string => `payment ${digest}`;
