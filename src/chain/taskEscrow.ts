import type { BlockTag, Provider } from "ethers";
import type { Task } from "#protocol/task.ts";
import { type ITaskEscrow, ITaskEscrow__factory } from "#typechain/index.ts";
import type { TaskStructOutput } from "#typechain/interfaces/ITaskEscrow.ts";
import { type BlockRange, type LogPlace, placeOf, searchBlocks } from "./blockRange.ts";
import type { Call } from "./call.ts";

const lockStatuses = ["none", "open", "closed"] as const;

/** What is locked for a task. A captured task never had a lock: `none`. */
export interface TaskLock {
  /** Atomic units. */
  amount: bigint;
  /** Seconds since 1970. */
  deadline: number;
  status: (typeof lockStatuses)[number];
}

/** An event of one task at TaskEscrow; amounts in atomic units. */
export type TaskEscrowEvent = LogPlace &
  (
    | { name: "TaskOpened"; payer: string; node: string; model: string; maxAmount: bigint; deadline: number }
    | { name: "TaskCharged"; payer: string; charge: bigint; refund: bigint }
    | { name: "TaskRefunded"; payer: string; amount: bigint }
  );

/** TaskEscrow: custody of what tasks are paid with. */
export class TaskEscrowAdapter {
  readonly address: string;
  readonly #provider: Provider;
  readonly #contract: ITaskEscrow;

  constructor(address: string, provider: Provider) {
    this.address = address;
    this.#provider = provider;
    this.#contract = ITaskEscrow__factory.connect(address, provider);
  }

  /** Locks a task's ceiling under its payer's signature. */
  populateOpen(task: Task, signature: string): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("open", [task, signature]) };
  }

  /**
   * Locks a task's ceiling under what its payer signed as x402's `upto` for a facilitator's entry; only signers of that
   * entry may.
   *
   * @param validAfter - as in the payer's witness
   */
  populateOpenUpto(task: Task, facilitator: string, validAfter: bigint, signature: string): Call {
    const { interface: abi } = this.#contract;
    return {
      to: this.address,
      data: abi.encodeFunctionData("openUpto", [task, facilitator, validAfter, signature]),
    };
  }

  /** Makes a facilitator's entry, once; anyone may. */
  populateCreateEntry(facilitator: string): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("createEntry", [facilitator]) };
  }

  /** Gives an overdue task's lock back to its payer; anyone may. */
  populateRefund(task: Task): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("refund", [task]) };
  }

  /** Pays out what an account has earned, to that account; anyone may. */
  populateWithdraw(account: string): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("withdraw", [account]) };
  }

  async lockOf(taskId: string): Promise<TaskLock> {
    const { amount, deadline, status } = await this.#contract.locks(taskId);
    return { amount, deadline: Number(deadline), status: lockStatuses[Number(status)] ?? "none" };
  }

  /** Atomic units that `account` may withdraw. */
  earningsOf(account: string): Promise<bigint> {
    return this.#contract.earnings(account);
  }

  isFacilitator(facilitator: string): Promise<boolean> {
    return this.#contract.isFacilitator(facilitator);
  }

  /** Where a facilitator's entry is, or would be. */
  entryOf(facilitator: string): Promise<string> {
    return this.#contract.entryOf(facilitator);
  }

  /** Whether governance has stopped `open` and `openUpto`. */
  entriesPaused(blockTag: BlockTag = "latest"): Promise<boolean> {
    return this.#contract.entriesPaused({ blockTag });
  }

  /**
   * The task behind an id, read from the transaction that opened it, so that anyone can refund it from the chain alone.
   *
   * @returns nothing where it was never opened, or by way of another contract
   */
  async taskOf(taskId: string, range: BlockRange): Promise<Task | undefined> {
    const opened = (await this.eventsOf(taskId, range)).find(({ name }) => name === "TaskOpened");
    const transaction = opened && (await this.#provider.getTransaction(opened.transactionHash));
    if (transaction?.to !== this.address) return undefined;
    const called = this.#contract.interface.parseTransaction(transaction);
    if (called?.name !== "open" && called?.name !== "openUpto") return undefined;
    const { payer, node, model, request, policy, maxAmount, deadline, nonce } = called.args[0] as TaskStructOutput;
    const numbers = { policy: Number(policy), deadline: Number(deadline) };
    const task: Task = { payer, node, model, request, maxAmount, nonce, ...numbers };
    return (await this.#contract.taskIdOf(task)) === taskId ? task : undefined;
  }

  /** What happened to a task here, in the order of the blocks. */
  eventsOf(taskId: string, range: BlockRange): Promise<TaskEscrowEvent[]> {
    return searchBlocks(this.#provider, range, async (from, to) => {
      const { TaskOpened, TaskCharged, TaskRefunded } = this.#contract.filters;
      const [opened, charged, refunded] = await Promise.all([
        this.#contract.queryFilter(TaskOpened(taskId), from, to),
        this.#contract.queryFilter(TaskCharged(taskId), from, to),
        this.#contract.queryFilter(TaskRefunded(taskId), from, to),
      ]);
      return [
        ...opened.map((log): TaskEscrowEvent => {
          const { payer, node, model, maxAmount, deadline } = log.args;
          return { name: "TaskOpened", payer, node, model, maxAmount, deadline: Number(deadline), ...placeOf(log) };
        }),
        ...charged.map((log): TaskEscrowEvent => {
          const { payer, charge, refund } = log.args;
          return { name: "TaskCharged", payer, charge, refund, ...placeOf(log) };
        }),
        ...refunded.map((log): TaskEscrowEvent => {
          const { payer, amount } = log.args;
          return { name: "TaskRefunded", payer, amount, ...placeOf(log) };
        }),
      ];
    });
  }
}
