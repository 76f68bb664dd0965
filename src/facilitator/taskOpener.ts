import type { AllowancePermit } from "#protocol/gasSponsoring.ts";
import type { NonceOutcome } from "#store/facilitatorClaims.ts";
import type { Claim, ClaimTerms } from "#store/taskClaims.ts";
import type { Dependencies } from "./dependencies.ts";
import { finishOpening, openTask } from "./openTask.ts";

/** A payment that was checked, as it is to be claimed. */
export interface Opening {
  claim: Claim;
  terms: ClaimTerms;
  /** The payer's EIP-2612 permit to be submitted first, and the allowance that it has to bring, in atomic units. */
  sponsorship?: { permit: AllowancePermit; need: bigint };
}

/** Claims and opens tasks, each by one hand at a time among all processes on the database. */
export class TaskOpener {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Claims an authorization whose payment was checked, and opens its task. Resolves when the claim was released or
   * rejected, or when it was not to be had.
   */
  open(opening: Opening): Promise<NonceOutcome> {
    const { store, payers, logger } = this.#dependencies;
    const { taskId } = opening.claim;
    return store.hold(taskId, async () => {
      const { outcome, claim } = await this.#claim(opening);
      if (outcome.outcome !== "claimed") return outcome;
      const { task, unlocked } = claim;
      logger.info({ taskId, payer: task.payer, amount: task.maxAmount, unlocked }, "payment claimed");
      payers.follow({ token: opening.terms.token, payer: task.payer });
      await this.#openClaimed(claim, opening.sponsorship);
      return outcome;
    });
  }

  /** Takes up a claim that nobody works on: an earlier process left it, or a write failed on the way. */
  finish(taskId: string): Promise<void> {
    const { store } = this.#dependencies;
    return store.holdIfFree(taskId, async () => {
      const stored = await store.findTask(taskId);
      if (stored?.state === "claimed") await finishOpening(this.#dependencies, stored);
    });
  }

  /** What is too much to be owed is locked first. */
  async #claim({ claim, terms }: Opening): Promise<{ outcome: NonceOutcome; claim: Claim }> {
    const { store } = this.#dependencies;
    const outcome = await store.claim(claim, terms);
    if (outcome.outcome !== "overexposed") return { outcome, claim };
    const locked = { ...claim, unlocked: false };
    return { outcome: await store.claim(locked, terms), claim: locked };
  }

  async #openClaimed(claim: Claim, sponsorship: Opening["sponsorship"]): Promise<void> {
    try {
      await openTask(this.#dependencies, claim, sponsorship);
    } catch (error) {
      // Another process decided on the claim after this one had lost its lease.
      const stored = await this.#dependencies.store.findTask(claim.taskId);
      if (stored?.state === "claimed") throw error;
    }
  }
}
