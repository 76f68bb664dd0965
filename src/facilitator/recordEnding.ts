import type { BlockRange } from "#chain/blockRange.ts";
import { Permit2Adapter } from "#chain/permit2.ts";
import { OpgError } from "#protocol/errors.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import type { Dependencies } from "./dependencies.ts";

/** How a task ended on chain: paid, refunded under refusals, or refunded because it was overdue. */
type Ending = "settled" | "refused" | "refunded";

/**
 * Records the end of a task that the chain has closed, by whose transaction ever.
 *
 * @returns false while there is none
 */
export async function recordEndingOnChain(dependencies: Dependencies, stored: StoredTask): Promise<boolean> {
  const { status } = await dependencies.escrow.lockOf(stored.taskId);
  if (status === "open") return false;
  if (status === "none" && stored.unlocked && !(await isCaptured(dependencies, stored))) return false;
  await recordEnding(dependencies, stored, await readEnding(dependencies, stored));
  return true;
}

/** A capture leaves no trace at TaskEscrow, only a used nonce; whose use it was, Settlement tells. */
async function isCaptured(dependencies: Dependencies, stored: StoredTask): Promise<boolean> {
  const { payer, nonce } = stored.task;
  if (!(await new Permit2Adapter(dependencies.provider).isNonceUsed(payer, nonce))) return false;
  const events = await dependencies.settlement.eventsOf(stored.taskId, blocksOf(dependencies, stored));
  return events.some(({ name }) => name === "TaskSettled");
}

/** Records an end that is known, by the steps that lead there from where the task stands. */
export async function recordEnding({ store, logger }: Dependencies, stored: StoredTask, ending: Ending): Promise<void> {
  const { taskId, state } = stored;
  const isUndecided = state === "released" || state === "certified";
  if (isUndecided && ending === "refused") await store.recordRefused(taskId, null);
  if (isUndecided && ending === "refunded") await store.recordExpiry(taskId);
  const final = ending === "settled" ? "settled" : "refunded";
  await store.recordEnding(taskId, final);
  logger.info({ taskId, state: final }, "task ended");
}

async function readEnding(dependencies: Dependencies, stored: StoredTask): Promise<Ending> {
  const { settlement, escrow } = dependencies;
  const { taskId } = stored;
  const range = blocksOf(dependencies, stored);
  const [atSettlement, atEscrow] = await Promise.all([
    settlement.eventsOf(taskId, range),
    escrow.eventsOf(taskId, range),
  ]);
  if (atSettlement.some(({ name }) => name === "TaskSettled")) return "settled";
  if (atSettlement.some(({ name }) => name === "TaskRefused")) return "refused";
  if (atEscrow.some(({ name }) => name === "TaskRefunded")) return "refunded";
  throw new OpgError("chain_unavailable", "The chain does not say yet how the task ended; try again in a moment.", {
    taskId,
  });
}

/** Where a task's end can be on chain. */
function blocksOf({ network }: Dependencies, { transactions, claimedBlock }: StoredTask): BlockRange {
  const opening = transactions.find(({ purpose, status }) => purpose === "open" && status === "included");
  return { fromBlock: opening?.blockNumber ?? Math.max(claimedBlock, network.deploymentBlock) };
}
