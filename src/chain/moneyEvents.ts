import type { Provider } from "ethers";
import { ITaskEscrow__factory, type ITaskEscrow } from "#typechain/index.ts";
import { type BlockRange, type LogPlace, placeOf, searchBlocks } from "./blockRange.ts";

/** What a task cost its payer; amounts in atomic units. */
export interface TaskCharge extends LogPlace {
  taskId: string;
  payer: string;
  payout: string;
  charge: bigint;
  /** Of the charge, the node's; the rest are the shares of verifiers and treasury. */
  nodeAmount: bigint;
}

/** Money that an account was given or took out; atomic units. */
export interface AccountMove extends LogPlace {
  amount: bigint;
}

/** What TaskEscrow tells of an account's income and spending, task by task. Each list is in the order of the blocks. */
export class MoneyEvents {
  readonly #provider: Provider;
  readonly #contract: ITaskEscrow;

  /** @param taskEscrow - its address */
  constructor(taskEscrow: string, provider: Provider) {
    this.#provider = provider;
    this.#contract = ITaskEscrow__factory.connect(taskEscrow, provider);
  }

  /** Tasks that were charged to a payer one by one, not in batches. */
  chargedTo(payer: string, range: BlockRange): Promise<TaskCharge[]> {
    return this.#charges(this.#contract.filters.TaskCharged(undefined, payer), range);
  }

  /** The same by the address that the nodes are paid out to. */
  chargedFor(payout: string, range: BlockRange): Promise<TaskCharge[]> {
    return this.#charges(this.#contract.filters.TaskCharged(undefined, undefined, payout), range);
  }

  /** An account's shares of pools. */
  earnedBy(account: string, range: BlockRange): Promise<AccountMove[]> {
    return searchBlocks(this.#provider, range, async (from, to) => {
      const logs = await this.#contract.queryFilter(this.#contract.filters.Earned(account), from, to);
      return logs.map((log) => ({ amount: log.args.amount, ...placeOf(log) }));
    });
  }

  /** Earnings that were paid out to an account. */
  withdrawnBy(account: string, range: BlockRange): Promise<AccountMove[]> {
    return searchBlocks(this.#provider, range, async (from, to) => {
      const logs = await this.#contract.queryFilter(this.#contract.filters.Withdrawn(account), from, to);
      return logs.map((log) => ({ amount: log.args.amount, ...placeOf(log) }));
    });
  }

  #charges(filter: ReturnType<ITaskEscrow["filters"]["TaskCharged"]>, range: BlockRange): Promise<TaskCharge[]> {
    return searchBlocks(this.#provider, range, async (from, to) => {
      const logs = await this.#contract.queryFilter(filter, from, to);
      return logs.map((log): TaskCharge => {
        const { taskId, payer, payout, charge, nodeAmount } = log.args;
        return { taskId, payer, payout, charge, nodeAmount, ...placeOf(log) };
      });
    });
  }
}
