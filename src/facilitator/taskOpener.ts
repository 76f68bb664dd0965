import type { Claim, ClaimOutcome } from "#store/facilitatorTasks.ts";
import type { Dependencies } from "./dependencies.ts";
import { finishOpening, openTask } from "./openTask.ts";

/** Claims and opens tasks, each by one hand at a time. */
export class TaskOpener {
  readonly #dependencies: Dependencies;
  readonly #opening = new Map<string, Promise<ClaimOutcome>>();
  readonly #finishing = new Map<string, Promise<void>>();

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Claims an authorization whose payment was checked, and opens its task. Resolves when the claim was released or
   * rejected, unless another process made it; of the same at the same time all but one wait and are `known`.
   */
  async open(claim: Claim, signature: string): Promise<ClaimOutcome> {
    const { taskId, task } = claim;
    await this.#finishing.get(taskId);
    const running = this.#opening.get(taskId);
    if (running) {
      await running;
      return "known";
    }
    return only(this.#opening, taskId, async () => {
      const { store, logger } = this.#dependencies;
      const outcome = await store.claim(claim);
      if (outcome !== "claimed") return outcome;
      logger.info({ taskId, payer: task.payer, amount: task.maxAmount }, "payment claimed");
      await openTask(this.#dependencies, claim, signature);
      return outcome;
    });
  }

  /** Takes up a claim that nobody works on: an earlier process left it, or a write failed on the way. */
  async finish(taskId: string): Promise<void> {
    if (this.#opening.has(taskId) || this.#finishing.has(taskId)) return;
    await only(this.#finishing, taskId, async () => {
      const stored = await this.#dependencies.store.findTask(taskId);
      if (stored?.state === "claimed") await finishOpening(this.#dependencies, stored);
    });
  }
}

/** Runs some work, which can be found by its task for as long as it runs. */
function only<Outcome>(
  running: Map<string, Promise<Outcome>>,
  taskId: string,
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  const outcome = work().finally(() => running.delete(taskId));
  running.set(taskId, outcome);
  return outcome;
}
