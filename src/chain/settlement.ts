import type { Provider } from "ethers";
import type { Result } from "#protocol/result.ts";
import type { FeePolicy } from "#protocol/settlement.ts";
import type { Task } from "#protocol/task.ts";
import { type ISettlement, ISettlement__factory } from "#typechain/index.ts";
import { type BlockRange, type LogPlace, placeOf, searchBlocks } from "./blockRange.ts";
import type { Call } from "./call.ts";

/** Verdicts of a quorum as Settlement takes them. */
export interface Certificate {
  epoch: bigint;
  mode: number;
  /** See `joinSignatures`. */
  signatures: string;
}

/** What a payer signed for a task that is captured. */
export interface CapturedPayment {
  /** Whose entry the payer's `upto` authorization names; the zero address where the task itself is the witness. */
  facilitator: string;
  /** As in the payer's witness; 0 where the task itself is the witness. */
  validAfter: bigint;
  signature: string;
}

/** Shares of an epoch that are not divided yet, atomic units. */
export interface Pool {
  verifierAmount: bigint;
  treasuryAmount: bigint;
  settledTasks: bigint;
}

/** An event of one task at Settlement; amounts in atomic units. */
export type SettlementEvent = LogPlace & { node: string; epoch: bigint; resultHash: string } & (
    | { name: "TaskSettled"; payout: string; nodeAmount: bigint; verifierAmount: bigint; treasuryAmount: bigint }
    | { name: "TaskRefused" }
  );

/** Settlement: checks certificates and divides charges. */
export class SettlementAdapter {
  readonly address: string;
  readonly #provider: Provider;
  readonly #contract: ISettlement;

  constructor(address: string, provider: Provider) {
    this.address = address;
    this.#provider = provider;
    this.#contract = ISettlement__factory.connect(address, provider);
  }

  /** Pays for a result under a certificate that agrees with it; anyone may. */
  populateSettle(task: Task, result: Result, nodeSignature: string, certificate: Certificate): Call {
    const { interface: abi } = this.#contract;
    return { to: this.address, data: abi.encodeFunctionData("settle", [task, result, nodeSignature, certificate]) };
  }

  /**
   * Pays for a result like `populateSettle`, with the payer's signature in place of a lock; where the task was opened, with
   * its lock. Under `upto` only signers of the entry may send it.
   */
  populateCapture(
    task: Task,
    result: Result,
    nodeSignature: string,
    certificate: Certificate,
    payment: CapturedPayment,
  ): Call {
    const { interface: abi } = this.#contract;
    return {
      to: this.address,
      data: abi.encodeFunctionData("capture", [task, result, nodeSignature, certificate, payment]),
    };
  }

  /** Refunds a task at once under a certificate that refuses its result; anyone may. */
  populateRefuse(task: Task, result: Result, refusals: Certificate): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("refuse", [task, result, refusals]) };
  }

  /** Divides a past epoch's pool; `verifiers` ascending, `signatures` of that epoch's set over the counts. */
  populateCloseEpoch(epoch: bigint, verifiers: readonly string[], counts: readonly bigint[], signatures: string): Call {
    const { interface: abi } = this.#contract;
    return {
      to: this.address,
      data: abi.encodeFunctionData("closeEpoch", [epoch, [...verifiers], [...counts], signatures]),
    };
  }

  async poolOf(epoch: bigint): Promise<Pool> {
    const { verifierAmount, treasuryAmount, settledTasks } = await this.#contract.pools(epoch);
    return { verifierAmount, treasuryAmount, settledTasks };
  }

  async fees(): Promise<FeePolicy> {
    const { verifierBps, treasuryBps } = await this.#contract.fees();
    return { verifierBps, treasuryBps };
  }

  treasury(): Promise<string> {
    return this.#contract.treasury();
  }

  /** What happened to a task here, in the order of the blocks. */
  eventsOf(taskId: string, range: BlockRange): Promise<SettlementEvent[]> {
    return searchBlocks(this.#provider, range, async (from, to) => {
      const { TaskSettled, TaskRefused } = this.#contract.filters;
      const [settled, refused] = await Promise.all([
        this.#contract.queryFilter(TaskSettled(taskId), from, to),
        this.#contract.queryFilter(TaskRefused(taskId), from, to),
      ]);
      return [
        ...settled.map((log): SettlementEvent => {
          const { node, epoch, resultHash, payout, nodeAmount, verifierAmount, treasuryAmount } = log.args;
          const amounts = { nodeAmount, verifierAmount, treasuryAmount };
          return { name: "TaskSettled", node, epoch, resultHash, payout, ...amounts, ...placeOf(log) };
        }),
        ...refused.map((log): SettlementEvent => {
          const { node, epoch, resultHash } = log.args;
          return { name: "TaskRefused", node, epoch, resultHash, ...placeOf(log) };
        }),
      ];
    });
  }
}
