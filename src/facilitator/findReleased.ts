import { OpgError } from "#protocol/errors.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";

/** A task that was released, whatever became of it. @throws OpgError `unknown_task` */
export async function findReleased(store: FacilitatorStore, taskId: string): Promise<StoredTask> {
  const stored = await store.findTask(taskId);
  if (stored?.release) return stored;
  throw new OpgError(
    "unknown_task",
    `Task ${taskId} was not released here; ask the facilitator that its release names.`,
    { taskId },
  );
}
