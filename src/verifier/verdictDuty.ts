import type { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { OpgError } from "#protocol/errors.ts";
import { type Result, resultHashOf, resultTypedData, type SignedResult } from "#protocol/result.ts";
import type { Domain } from "#protocol/typedData.ts";
import type { SignedVerdict } from "#protocol/verdict.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { StoredCommitment, StoredVerdict, VerifierStore } from "#store/verifierStore.ts";
import { checkResult, claimedAnswer, isUnfinished } from "./checkResult.ts";
import { isSignedBy } from "#protocol/signedDocument.ts";
import type { VerdictSigner } from "./verdictSigner.ts";
import type { VerifierMetrics } from "./verifierMetrics.ts";

/** What the duty goes by. */
export interface VerdictDutyOptions {
  settlement: Domain;
  /** How long after its deadline a task can still be settled or refused. */
  settleWindowSeconds: number;
}

/** What the duty works with. */
export interface VerdictDutyDependencies {
  nodeRegistry: NodeRegistryAdapter;
  store: VerifierStore;
  signer: VerdictSigner;
  metrics: VerifierMetrics;
  clock: Clock;
  /** Told of each new refusal once it is recorded. */
  onRefusal: (taskId: string) => void;
  logger: Logger;
}

/**
 * Judges the node's result by the answer committed to. The first result that the node has signed for a task is judged,
 * once; no other result of that task ever gets a verdict, or a node could have one certified and another refunded.
 */
export class VerdictDuty {
  readonly #options: VerdictDutyOptions;
  readonly #dependencies: VerdictDutyDependencies;

  constructor(options: VerdictDutyOptions, dependencies: VerdictDutyDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /**
   * Records and signs the verdict. The same result again gets the same verdict again, under the epoch of that time.
   *
   * @throws OpgError `unknown_task` before a commitment, `invalid_body` for a result of another task,
   * `invalid_signature` for one that the task's node did not sign (refusing that would let anybody have a task
   * refunded), `already_certified` for another result than the one judged, `timeout` for a part that was not repeated in time
   */
  async judge(taskId: string, { result, nodeSignature }: SignedResult): Promise<SignedVerdict> {
    const { store, signer } = this.#dependencies;
    const own = await store.commitment(taskId);
    if (!own)
      throw new OpgError("unknown_task", "Nothing was committed to for this task; send the task first.", { taskId });
    this.#checkAuthor(result, nodeSignature, own);
    const verdict = (await store.verdict(taskId)) ?? (await this.#decide(result, own));
    if (verdict.resultHash !== resultHashOf(result, this.#options.settlement)) throw alreadyJudged(verdict);
    return signer.sign(verdict, own);
  }

  #checkAuthor(result: Result, nodeSignature: string, { taskId, task }: StoredCommitment): void {
    if (result.taskId !== taskId) {
      throw new OpgError("invalid_body", "The result is about another task than the address names.", { taskId });
    }
    if (isSignedBy(task.node, resultTypedData(result, this.#options.settlement), nodeSignature)) return;
    throw new OpgError("invalid_signature", "The result is not signed by the task's node.", {
      taskId,
      node: task.node,
    });
  }

  async #decide(result: Result, own: StoredCommitment): Promise<StoredVerdict> {
    const { nodeRegistry, store, metrics, clock, onRefusal, logger } = this.#dependencies;
    const { settlement, settleWindowSeconds } = this.#options;
    const { taskId, task } = own;
    if (isUnfinished(own) && !claimedAnswer(result, own)) throw notReached(taskId);
    const now = clock();
    const check = checkResult(result, own, await nodeRegistry.node(task.node), now);
    const verdict = await store.recordVerdict({
      taskId,
      resultHash: resultHashOf(result, settlement),
      result,
      reason: check.ok ? null : check.reason,
      expiresAt: task.deadline + settleWindowSeconds,
    });
    if (verdict.reason !== null) onRefusal(taskId);
    const { reason } = verdict;
    metrics.countVerdict(reason);
    logger.info(
      { taskId, agrees: reason === null, reason: reason ?? undefined, amount: result.amount.toString() },
      "result judged",
    );
    return verdict;
  }
}

function notReached(taskId: string): OpgError {
  const message = "The result is none of the steps that could be repeated here, so nothing is said about it.";
  return new OpgError("timeout", message, { taskId });
}

function alreadyJudged({ taskId, resultHash, reason }: StoredVerdict): OpgError {
  const agrees = reason === null;
  const message = `Another result of this task was ${agrees ? "certified" : "refused"} already; no second one gets a verdict.`;
  return new OpgError("already_certified", message, { taskId, resultHash, agrees });
}
