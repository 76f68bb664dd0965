import { setTimeout as sleep } from "node:timers/promises";
import type { ActingDependencies } from "./dependencies.ts";
import { relockTask } from "./relockTask.ts";

/** Tasks that are begun together. */
const BEGUN_AT_ONCE = 16;
/** How long the next ones wait for them at most: a step waits without limit where no signer can send it. */
const BEGIN_WITHIN_MS = 500;

/** Tasks that are locked once more by this process now. */
const relocking = new WeakMap<ActingDependencies, Set<string>>();

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
  await begin(await store.tasksWithoutLock(), (taskId) => relockOnce(dependencies, taskId).catch(failed(taskId)));
  await begin(await store.tasksIn(["claimed"]), (taskId) => opener.finish(taskId).catch(failed(taskId)));
  const decided = await store.tasksIn(["certified", "refused", "expired"]);
  const overdue = await store.tasksIn(["released"], head.newest.timestamp - terms.settleWindowSeconds);
  await begin([...decided, ...overdue], (taskId) => closer.close(taskId).catch(failed(taskId)));
}

/** A few at a time, but those that take long are left to themselves. */
async function begin(taskIds: readonly string[], work: (taskId: string) => Promise<void>): Promise<void> {
  for (let from = 0; from < taskIds.length; from += BEGUN_AT_ONCE) {
    const waited = new AbortController();
    const begun = Promise.all(taskIds.slice(from, from + BEGUN_AT_ONCE).map(work));
    const late = sleep(BEGIN_WITHIN_MS, undefined, { signal: waited.signal }).catch(() => undefined);
    await Promise.race([begun, late]);
    waited.abort();
  }
}

async function relockOnce(dependencies: ActingDependencies, taskId: string): Promise<void> {
  const running = relocking.get(dependencies) ?? new Set();
  relocking.set(dependencies, running);
  if (running.has(taskId)) return;
  running.add(taskId);
  await relockTask(dependencies, taskId).finally(() => running.delete(taskId));
}
