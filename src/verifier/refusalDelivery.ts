import { OpgError } from "#protocol/errors.ts";
import { taskRecordJson } from "#protocol/messages.ts";
import type { Network } from "#protocol/network.ts";
import { resultToJson } from "#protocol/result.ts";
import type { Clock } from "#service/clock.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Logger } from "#service/logger.ts";
import type { StoredVerdict, VerifierStore } from "#store/verifierStore.ts";
import type { VerdictSigner } from "./verdictSigner.ts";

const FIRST_RETRY_SECONDS = 1;
const MAX_RETRY_SECONDS = 60;
const ANSWER_TIMEOUT_SECONDS = 15;

/** What the duty works with. */
export interface RefusalDeliveryDependencies {
  facilitators: Network["facilitators"];
  store: VerifierStore;
  signer: VerdictSigner;
  clock: Clock;
  logger: Logger;
}

/**
 * Brings refusals to the facilitator that released the task: a dishonest node would keep them to itself, and the payer's
 * money locked. What is recorded is tried until the facilitator has it or nobody can use it any more.
 */
export class RefusalDelivery {
  readonly #dependencies: RefusalDeliveryDependencies;
  /** When each refusal that failed is tried again, and how long it then waits. */
  readonly #retries = new Map<string, { at: number; nextWaitSeconds: number }>();

  constructor(dependencies: RefusalDeliveryDependencies) {
    this.#dependencies = dependencies;
  }

  /** Tries every refusal that is due, once. */
  async deliverDue(): Promise<void> {
    const { store, clock } = this.#dependencies;
    const waiting = await store.undeliveredRefusals(clock());
    const known = new Set(waiting.map(({ taskId }) => taskId));
    for (const taskId of this.#retries.keys()) if (!known.has(taskId)) this.#retries.delete(taskId);
    const due = waiting.filter(({ taskId }) => (this.#retries.get(taskId)?.at ?? 0) <= clock());
    await Promise.all(due.map((verdict) => this.#deliver(verdict)));
  }

  async #deliver(verdict: StoredVerdict): Promise<void> {
    const { store, clock, logger } = this.#dependencies;
    const { taskId } = verdict;
    try {
      await this.#send(verdict);
      await store.recordRefusalDelivery(taskId);
      logger.info({ taskId }, "refusal delivered");
    } catch (error) {
      const waitSeconds = this.#retries.get(taskId)?.nextWaitSeconds ?? FIRST_RETRY_SECONDS;
      const nextWaitSeconds = Math.min(waitSeconds * 2, MAX_RETRY_SECONDS);
      this.#retries.set(taskId, { at: clock() + waitSeconds, nextWaitSeconds });
      logger.warn({ taskId, waitSeconds, err: error }, "refusal not delivered yet");
    }
  }

  async #send(verdict: StoredVerdict): Promise<void> {
    const { facilitators, store, signer } = this.#dependencies;
    const { taskId, result } = verdict;
    const own = await store.commitment(taskId);
    const facilitator = facilitators.find(({ address }) => address === own?.facilitator);
    if (!own || !facilitator) {
      throw new OpgError("configuration", "The network description has no URL for the task's facilitator; add it.", {
        taskId,
      });
    }
    await httpCall({
      method: "POST",
      url: `${facilitator.url}/tasks/${taskId}/refusals`,
      body: { result: resultToJson(result), verdict: await signer.sign(verdict, own) },
      answer: taskRecordJson,
      timeoutSeconds: ANSWER_TIMEOUT_SECONDS,
      unavailable: "facilitator_unavailable",
    });
  }
}
