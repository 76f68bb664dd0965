import { OpgError } from "#protocol/errors.ts";
import { type ModelVersion, onnxFormat } from "#protocol/model.ts";
import { policies, releaseTypedData, type SignedRelease, type Task } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";
import { isSignedBy } from "#protocol/signedDocument.ts";

/** How far a release's time may lie from the own clock, either way. */
export const MAX_RELEASE_SKEW_SECONDS = 60;

/** What the chain says about a task at the moment of its receipt. */
export interface TaskFacts {
  taskId: string;
  facilitatorRegistered: boolean;
  nodeActive: boolean;
  /** Whether a release of this task passed these checks before; its age and its node count only when it first comes. */
  wasReceived: boolean;
  /** The version that the task names, if it is published. */
  version: ModelVersion | undefined;
}

/** What this verifier goes by. */
export interface TaskTerms {
  taskEscrow: Domain;
  /** Digest of the execution profile that it repeats. */
  profile: string;
}

/** The version that the task may be run with, or why it may not. */
export type TaskCheck = { version: ModelVersion } | { error: OpgError };

/**
 * Everything about a task that is checked before any of its bytes are fetched or run, in this order: the release, the
 * deadline, the node, the mode, the version.
 *
 * @param now - the own clock at receipt, seconds since 1970
 */
export function checkReleasedTask(
  task: Task,
  release: SignedRelease,
  facts: TaskFacts,
  terms: TaskTerms,
  now: number,
): TaskCheck {
  const error = releaseError(release, facts, terms.taskEscrow, now) ?? taskError(task, facts, now);
  return error ? { error } : checkVersion(task, facts, terms.profile);
}

function releaseError(release: SignedRelease, facts: TaskFacts, taskEscrow: Domain, now: number): OpgError | undefined {
  const { facilitator, releasedAt, signature } = release;
  const refuse = (message: string) => new OpgError("invalid_release", message, { taskId: facts.taskId, facilitator });
  if (release.taskId !== facts.taskId)
    return refuse("The release is about another task; ask the facilitator for this one's.");
  if (!facts.facilitatorRegistered)
    return refuse("The release names a facilitator that is not registered; pay through another.");
  if (!isSignedBy(facilitator, releaseTypedData(release, taskEscrow), signature)) {
    return refuse("The release is not signed by the facilitator that it names.");
  }
  if (!facts.wasReceived && Math.abs(now - releasedAt) > MAX_RELEASE_SKEW_SECONDS) {
    return refuse(
      `The release is not from the last ${MAX_RELEASE_SKEW_SECONDS} seconds; check the clock, or pay again.`,
    );
  }
  return undefined;
}

function taskError(
  { node, policy, deadline }: Task,
  { taskId, nodeActive, wasReceived }: TaskFacts,
  now: number,
): OpgError | undefined {
  if (now > deadline)
    return new OpgError("invalid_release", "The task's deadline has passed; pay for a new one.", { taskId, deadline });
  if (!nodeActive && !wasReceived)
    return new OpgError("no_active_node", "The task's node is not active; pay for a task of another.", {
      taskId,
      node,
    });
  if (policy !== policies.reExecution) {
    return new OpgError("task_terms_mismatch", "Results are checked here by re-execution only: policy 0.", {
      taskId,
      policy,
    });
  }
  return undefined;
}

function checkVersion({ model }: Task, { taskId, version }: TaskFacts, profile: string): TaskCheck {
  if (!version)
    return { error: new OpgError("unknown_model", "No model version of this id is published.", { taskId, model }) };
  if (version.format === onnxFormat && version.profile === profile) return { version };
  const message = "This version's format or execution profile is not the one that is run here.";
  return { error: new OpgError("invalid_model", message, { taskId, model }) };
}
