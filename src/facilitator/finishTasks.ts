import type { ActingDependencies } from "./dependencies.ts";
import { relockTask } from "./relockTask.ts";

/**
 * Takes every task that is not at its end a step further: claims that nobody works on in any process, certificates that are
 * not settled, refusals and expiries that are not refunded, and released tasks that nobody can settle any more. It is also
 * how the work of an earlier process goes on. None of them holds up another.
 */
export async function finishTasks(dependencies: ActingDependencies): Promise<void> {
  const { store, opener, closer, outbox, head, terms, logger } = dependencies;
  const failed = (taskId: string) => (error: unknown) => {
    logger.warn({ err: error, taskId }, "a task could not be taken further");
  };
  await outbox.adopt();
  for (const taskId of await store.tasksWithoutLock()) await relockTask(dependencies, taskId).catch(failed(taskId));
  for (const taskId of await store.tasksIn(["claimed"])) void opener.finish(taskId).catch(failed(taskId));
  const decided = await store.tasksIn(["certified", "refused", "expired"]);
  const overdue = await store.tasksIn(["released"], head.newest.timestamp - terms.settleWindowSeconds);
  for (const taskId of [...decided, ...overdue]) await closer.close(taskId).catch(failed(taskId));
}
