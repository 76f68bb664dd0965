import { OpgError } from "#protocol/errors.ts";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import type { TaskState } from "#protocol/task.ts";

/**
 * The life of a task at its facilitator: from each state, the states that may follow. `answered` is seen by node and
 * verifiers only. A rejected claim locked nothing, so the same authorization may be claimed again. What the
 * chain says goes: a released task may end there by somebody else's hand, and a refused one be settled under a certificate.
 */
export const taskTransitions: Readonly<Record<TaskState, readonly TaskState[]>> = {
  claimed: ["released", "rejected"],
  rejected: ["claimed"],
  released: ["certified", "settled", "refused", "expired"],
  answered: [],
  certified: ["settled", "refused", "expired"],
  settled: [],
  refused: ["refunded", "settled"],
  expired: ["refunded"],
  refunded: [],
};

/**
 * The steps back, taken by nothing but a reorganisation of the chain: where the transaction that ended a task is in no block
 * any more, by its purpose. A task whose `open` is gone stays where it is: its release was handed out.
 */
export const reorgedTasks: Readonly<Partial<Record<TransactionPurpose, { from: TaskState; to: TaskState }>>> = {
  settle: { from: "settled", to: "certified" },
  capture: { from: "settled", to: "certified" },
  refuse: { from: "refunded", to: "refused" },
  refund: { from: "refunded", to: "expired" },
};

/** States from which `next` may be entered. */
export function statesBefore(next: TaskState): TaskState[] {
  return (Object.keys(taskTransitions) as TaskState[]).filter((state) => taskTransitions[state].includes(next));
}

/** A step that a task's life does not have; a fault of the caller. */
export function illegalTransition(taskId: string, from: TaskState | undefined, to: TaskState): OpgError {
  return new OpgError("internal", `Task ${taskId} cannot become ${to}: it is ${from ?? "unknown"}.`, {
    taskId,
    from,
    to,
  });
}
