import type { ActingDependencies } from "./dependencies.ts";

/** Removes tasks and payments that ended, and whose authorizations were over, longer than the retention ago. */
export async function forgetEnded(
  { store, clock, terms, logger }: ActingDependencies,
  retentionSeconds: number,
): Promise<void> {
  const before = clock() - retentionSeconds;
  let tasks = 0;
  let round: number;
  do {
    round = await store.pruneTasks(before - terms.settleWindowSeconds);
    tasks += round;
  } while (round > 0);
  const payments = await store.prunePayments(before);
  if (tasks + payments > 0) logger.info({ tasks, payments }, "ended tasks and payments forgotten");
}
