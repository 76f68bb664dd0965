import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import { AnswerTooLargeError } from "#service/httpCall.ts";

/** How tasks end at a node: `left` are streams whose reader hung up, `uncertified` those without enough verdicts. */
export const taskOutcomes = [
  "answered",
  "left",
  "failed",
  "refused",
  "uncertified",
  "timedOut",
  "unreachable",
] as const;
export type TaskOutcome = (typeof taskOutcomes)[number];

/** Who else than the node may have caused a failure: the payer; verifiers, facilitator, hub or chain; or nobody. */
export type OtherCause = "payer" | "others" | "nobody";

/** What a failure was, and whose it may have been. */
export interface JudgedFailure {
  outcome: TaskOutcome;
  otherCause: OtherCause;
}

/** A payer can bring these about by its inputs, or by what it sends to the node at the same time. */
const payersCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "execution_failed",
  "charge_exceeds_ceiling",
  "invalid_tensor",
  "internal",
  "rate_limited",
  "task_lost",
]);

/** A node cannot do its work without these. */
const othersCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "verifier_unavailable",
  "facilitator_unavailable",
  "hub_unavailable",
  "chain_unavailable",
]);

const timeouts = ["TimeoutError", "HeadersTimeoutError", "BodyTimeoutError"];

/**
 * Judges why a task that was released in time, with time enough, has no answer. Only what the node alone can have done is
 * held against it: a receipt that does not hold, a result that verifiers refuse, a closed door, an excuse that is none.
 */
export function judgeFailure(error: unknown): JudgedFailure {
  if (!(error instanceof OpgError)) return { outcome: "failed", otherCause: "others" };
  const { code } = error;
  if (code === "result_refused") return { outcome: "refused", otherCause: "nobody" };
  if (code === "certificate_incomplete") return { outcome: "uncertified", otherCause: "others" };
  if (code === "timeout" || isTimeout(error)) return { outcome: "timedOut", otherCause: "payer" };
  if (isTooLarge(error)) return { outcome: "failed", otherCause: "payer" };
  if (code === "node_unavailable") return { outcome: "unreachable", otherCause: "nobody" };
  if (payersCodes.has(code)) return { outcome: "failed", otherCause: "payer" };
  return { outcome: "failed", otherCause: othersCodes.has(code) ? "others" : "nobody" };
}

/** A task may take too long for its own sake. */
function isTimeout({ code, cause }: OpgError): boolean {
  return code === "node_unavailable" && cause instanceof Error && timeouts.includes(cause.name);
}

/** A payer's own version may give outputs of any size, for no price; the node did answer. */
function isTooLarge({ code, cause }: OpgError): boolean {
  return code === "node_unavailable" && cause instanceof AnswerTooLargeError;
}
