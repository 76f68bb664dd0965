import { NO_RESPONSE } from "#protocol/prefixes.ts";
import type { Result } from "#protocol/result.ts";
import type { RefusalReason } from "#protocol/verdict.ts";
import type { StoredCommitment } from "#store/verifierStore.ts";

/** How far the clocks of node, facilitator and verifier may lie apart. */
export const MAX_CLOCK_SKEW_SECONDS = 60;

/** What this verifier knows of the task: its own answers to it, and what it was told with it. */
export type OwnWork = Pick<StoredCommitment, "task" | "answers" | "releasedAt" | "committedAt">;

/** What the chain says about the node. */
export interface ResultFacts {
  /** The registry's payout address of the node. */
  payout: string;
}

/** The own answer that a result claims. */
export function claimedAnswer({ response: claimed }: Result, { answers }: Pick<OwnWork, "answers">) {
  return answers.find(({ response }) => response === claimed && response !== NO_RESPONSE);
}

/** Whether the own answers end before the task does: then another response than they have may still be right. */
export function isUnfinished({ answers }: Pick<OwnWork, "answers">): boolean {
  return answers.at(-1)?.response === NO_RESPONSE;
}

/** Either the result may be paid, or why not. */
export type ResultCheck = { ok: true } | { ok: false; reason: RefusalReason };

/**
 * Compares a result that the task's node has signed with the own answers: with that after as many steps, of a stream,
 * because each number of steps gives another response. A node's time is believed as far as clocks may
 * differ; a result that is shown later than that after its deadline can have been dated back. The time that this
 * verifier itself took to commit is not held against the node.
 *
 * @param now - the own clock, seconds since 1970
 */
export function checkResult(result: Result, own: OwnWork, facts: ResultFacts, now: number): ResultCheck {
  const { task } = own;
  const answer = claimedAnswer(result, own);
  if (!answer) return refuse("response_mismatch");
  if (result.amount !== answer.charge || result.amount > task.maxAmount) return refuse("charge_mismatch");
  if (result.payout !== facts.payout) return refuse("payout_mismatch");
  const lastBelieved = Math.max(task.deadline, own.committedAt) + MAX_CLOCK_SKEW_SECONDS;
  if (result.completedAt > task.deadline || now > lastBelieved) return refuse("completed_late");
  const isPlausible =
    result.completedAt >= own.releasedAt - MAX_CLOCK_SKEW_SECONDS && result.completedAt <= now + MAX_CLOCK_SKEW_SECONDS;
  return isPlausible ? { ok: true } : refuse("completed_at_implausible");
}

function refuse(reason: RefusalReason): ResultCheck {
  return { ok: false, reason };
}
