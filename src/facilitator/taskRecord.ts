import { getAddress } from "ethers";
import type { ReleasedTask, TaskRecordJson } from "#protocol/messages.ts";
import { resultToJson } from "#protocol/result.ts";
import { taskToJson } from "#protocol/task.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import type { StoredTransaction } from "#store/facilitatorTransactions.ts";

/** Writes a task for the wire: all that anybody may know of it. */
export function taskRecord(stored: StoredTask, facilitator: string): TaskRecordJson {
  const { taskId, state, task, release, result, verdicts, transactions, claimedBlock } = stored;
  return {
    taskId,
    state,
    task: taskToJson(task),
    facilitator: getAddress(facilitator),
    release,
    result: result ? resultToJson(result) : null,
    verdicts: [...verdicts],
    transactions: transactionsToJson(transactions),
    claimedBlock,
  };
}

/** Writes transactions for the wire, without what was signed. */
export function transactionsToJson(transactions: readonly StoredTransaction[]): ReleasedTask["transactions"] {
  return transactions.map(({ purpose, hash, status, blockNumber, gasUsed }) => ({
    purpose,
    hash,
    status,
    blockNumber,
    gasUsed: gasUsed === null ? null : gasUsed.toString(),
  }));
}
