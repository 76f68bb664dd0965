import type { InferAnswerJson } from "#protocol/inferAnswer.ts";
import type { ReleasedTask } from "#protocol/messages.ts";
import type { Gateway } from "./gateway.ts";
import { judgeFailure } from "./judgeFailure.ts";
import type { EndedTask } from "./nodeMeasures.ts";
import type { StepReader } from "./stepReader.ts";

/** Clocks differ, and a release waits for a block; one that somebody kept back for longer is not the node's to be late for. */
const FRESH_SECONDS = 30;

/**
 * Has a released task asked for, and records how it ended at its node. Held against the node is only what it did with a
 * task that it got in time and with the time that this gateway offers; payers may sign less. A stream whose reader left
 * tells nothing: it costs nothing to leave.
 */
export async function measureTask(
  gateway: Pick<Gateway, "nodes" | "clock" | "monotonicMs" | "settings">,
  { task, release }: ReleasedTask,
  reader: StepReader | undefined,
  ask: () => Promise<InferAnswerJson>,
): Promise<InferAnswerJson> {
  const { nodes, clock, monotonicMs, settings } = gateway;
  const [beganAt, beganMs] = [clock(), monotonicMs()];
  const isInTime = Math.abs(beganAt - release.releasedAt) <= FRESH_SECONDS;
  const isFair = isInTime && task.deadline - beganAt >= settings.executionSeconds + settings.verdictSeconds;
  const record = (ended: Pick<EndedTask, "outcome" | "otherCause">): void => {
    const seconds = (monotonicMs() - beganMs) / 1000;
    const what = reader?.signal.aborted ? ({ outcome: "left" } as const) : ended;
    nodes.measures.record({ node: task.node, versionId: task.model, payer: task.payer, beganAt, seconds, ...what });
  };
  try {
    const answer = await ask();
    record({ outcome: "answered" });
    return answer;
  } catch (error) {
    const { outcome, otherCause } = judgeFailure(error);
    record({ outcome, ...(isFair ? { otherCause } : {}) });
    throw error;
  }
}
