import type { Provider } from "ethers";
import type { Pool } from "pg";
import { OpgAdapter } from "#chain/opg.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import type { Network } from "#protocol/network.ts";
import type { Finding } from "./judgePayment.ts";
import { judgeTask, type TaskBook } from "./judgeTask.ts";
import { TASK_BALANCE } from "./payers.ts";
import type { TaskPurchase } from "./taskPurchase.ts";

interface Row {
  taskId: string;
  state: string;
  charge: string | null;
  maxAmount: string;
  isExposed: boolean;
  onTheirWay: string;
}

/** Compares what purchases became: every task of their payers, and what the payers have left. */
export async function compareTasks(
  books: Pool,
  chain: Provider,
  network: Network,
  purchases: readonly TaskPurchase[],
  fromBlock: number,
): Promise<Finding[]> {
  const escrow = new TaskEscrowAdapter(network.contracts.taskEscrow, chain);
  const opg = new OpgAdapter(network.contracts.opg, chain);
  const found = purchases.map(async ({ payer, answered }) => {
    const tasks = await tasksOf(books, escrow, payer, fromBlock);
    const charged = tasks.flatMap((task) => task.charged).reduce((sum, amount) => sum + amount, 0n);
    const locked = tasks.reduce((sum, task) => sum + task.locked, 0n);
    const gone = TASK_BALANCE - (await opg.balanceOf(payer)) - locked;
    const findings = tasks.flatMap((task) => judgeTask(task, task.taskId === answered));
    if (gone === charged) return findings;
    const words = `payer ${payer} is short of ${gone} atomic units, but was charged ${charged}`;
    return [...findings, { kind: gone > charged ? ("doubled" as const) : ("lost" as const), words }];
  });
  return (await Promise.all(found)).flat();
}

async function tasksOf(books: Pool, escrow: TaskEscrowAdapter, payer: string, fromBlock: number): Promise<TaskBook[]> {
  const { rows } = await books.query<Row>(
    `select task_id as "taskId", state, result ->> 'amount' as charge, task ->> 'maxAmount' as "maxAmount",
      exists (select from claims where claims.holder = task_id and claims.exposed) as "isExposed",
      (select count(*) from transactions where subject = task_id and status = 'sent') as "onTheirWay"
    from tasks where payer = $1`,
    [payer],
  );
  const reading = rows.map(async ({ taskId, state, charge, maxAmount, isExposed, onTheirWay }): Promise<TaskBook> => {
    const [lock, events] = await Promise.all([escrow.lockOf(taskId), escrow.eventsOf(taskId, { fromBlock })]);
    return {
      ...{ taskId, state, isExposed, charge: BigInt(charge ?? 0), maxAmount: BigInt(maxAmount) },
      onTheirWay: Number(onTheirWay),
      charged: events.flatMap((event) => (event.name === "TaskCharged" ? [event.charge] : [])),
      locked: lock.status === "open" ? lock.amount : 0n,
    };
  });
  return Promise.all(reading);
}
