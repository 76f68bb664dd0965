import { id, type Provider } from "ethers";
import type { BatchesAdapter } from "#chain/batches.ts";
import type { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import type { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import type { SettlementAdapter, SettlementEvent } from "#chain/settlement.ts";
import type { TaskEscrowAdapter, TaskEscrowEvent } from "#chain/taskEscrow.ts";
import { OpgError } from "#protocol/errors.ts";
import { type TaskRecord, taskRecordJson } from "#protocol/messages.ts";
import type { Network } from "#protocol/network.ts";
import { type Split, type Trail, type TransactionPurpose, trailProblems } from "#protocol/settlement.ts";
import type { TaskState } from "#protocol/task.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Logger } from "#service/logger.ts";
import { askProof } from "./askProof.ts";
import { findTaskBatch, type TaskBatch } from "./taskBatch.ts";

const FACILITATOR_TIMEOUT_SECONDS = 5;
/** How far back recent tasks are looked for, and how many are shown. */
const RECENT_BLOCKS = 5_000;
const RECENT_TASKS = 20;
/** Every task that is paid for has one of these, its id in the second topic. */
const PAID_EVENTS = [
  id("TaskOpened(bytes32,address,address,bytes32,uint128,uint40)"),
  id("TaskCharged(bytes32,address,address,uint256,uint256,uint256)"),
];

/** What trails are made from. */
export interface TrailsDependencies {
  network: Network;
  provider: Provider;
  taskEscrow: Pick<TaskEscrowAdapter, "eventsOf">;
  settlement: Pick<SettlementAdapter, "eventsOf" | "treasury">;
  batches: Pick<BatchesAdapter, "settledBatch">;
  nodes: Pick<NodeRegistryAdapter, "node">;
  models: Pick<ModelRegistryAdapter, "version">;
  logger: Logger;
}

type TaskEvent = TaskEscrowEvent | SettlementEvent;

/** The story of a task: the facilitator's record for what was said, the chain for what was paid. */
export class Trails {
  readonly #from: TrailsDependencies;

  constructor(dependencies: TrailsDependencies) {
    this.#from = dependencies;
  }

  /** @throws OpgError `unknown_task`, `facilitator_unavailable`, `chain_unavailable` */
  async read(taskId: string): Promise<Trail> {
    if (!/^0x[0-9a-fA-F]{64}$/.test(taskId)) {
      throw new OpgError(
        "unknown_task",
        "A task's id is 0x and 64 hex digits; take it from the answer or the receipt.",
      );
    }
    const record = await this.#recordOf(taskId.toLowerCase());
    const events = await this.#eventsOf(record);
    const trail = await this.#assemble(record, events);
    const problems = trailProblems(trail);
    if (problems.length > 0) this.#from.logger.error({ taskId, problems }, "trail does not add up");
    return trail;
  }

  /** Ids of the tasks that were opened or charged last, newest first. */
  async recent(): Promise<string[]> {
    const { provider, network } = this.#from;
    const toBlock = await provider.getBlockNumber();
    const fromBlock = Math.max(network.deploymentBlock, toBlock - RECENT_BLOCKS);
    const logs = await provider.getLogs({
      address: network.contracts.taskEscrow,
      topics: [PAID_EVENTS],
      fromBlock,
      toBlock,
    });
    const taskIds = logs.reverse().flatMap(({ topics }) => topics[1] ?? []);
    return [...new Set(taskIds)].slice(0, RECENT_TASKS);
  }

  #recordOf(taskId: string): Promise<TaskRecord> {
    const [facilitator] = this.#from.network.facilitators;
    return httpCall({
      method: "GET",
      url: new URL(`/tasks/${taskId}`, facilitator?.url).href,
      answer: taskRecordJson,
      timeoutSeconds: FACILITATOR_TIMEOUT_SECONDS,
      unavailable: "facilitator_unavailable",
    });
  }

  async #eventsOf({ taskId, transactions, claimedBlock }: TaskRecord): Promise<TaskEvent[]> {
    const { network, provider, taskEscrow, settlement } = this.#from;
    const first = transactions.find(({ purpose }) => purpose === "open" || purpose === "capture")?.blockNumber;
    // One end for both: a settlement that comes in between would show in the one and not in the other.
    const range = {
      fromBlock: first ?? Math.max(claimedBlock, network.deploymentBlock),
      toBlock: await provider.getBlockNumber(),
    };
    const [locks, splits] = await Promise.all([taskEscrow.eventsOf(taskId, range), settlement.eventsOf(taskId, range)]);
    return [...locks, ...splits];
  }

  async #assemble(record: TaskRecord, events: readonly TaskEvent[]): Promise<Trail> {
    const { task, result, verdicts } = record;
    const { models, nodes } = this.#from;
    const batch = await this.#batchOf(record);
    const [version, node, splits, transactions] = await Promise.all([
      models.version(task.model),
      nodes.node(task.node),
      batch ? this.#divide(batch.split, batch.payout) : this.#splitsOf(events),
      this.#transactionsOf(record, events, batch),
    ]);
    const { name = "", label = "", contentDigest = "", storageId = "" } = version ?? {};
    return {
      taskId: record.taskId,
      payer: task.payer,
      facilitator: record.facilitator,
      maxAmount: task.maxAmount.toString(),
      ...amountsOf(record, events),
      model: { name, version: label, versionId: task.model, digest: contentDigest, storageId },
      request: task.request,
      node: { address: task.node, operator: node.operator, payout: node.payout },
      response: result?.response ?? null,
      verdicts: verdicts.map(({ verifier, agrees, reason }) => ({ verifier, agrees, ...(reason ? { reason } : {}) })),
      splits,
      ...(isPrefunded(record) ? { account: { batch: batch?.place ?? null } } : {}),
      transactions,
      state: stateOf(record, events, batch),
    };
  }

  /** The batch of a task that an account paid for, as far as the chain bears out what its facilitator proves. */
  async #batchOf(record: TaskRecord): Promise<TaskBatch | undefined> {
    const { network, batches } = this.#from;
    if (!isPrefunded(record) || record.state !== "settled" || record.result?.amount === 0n) return undefined;
    const proof = await askProof(network, record.taskId).catch((error: unknown) => {
      if (error instanceof OpgError && error.code === "not_settled_yet") return undefined;
      throw error;
    });
    return proof && findTaskBatch(proof, batches, network, record.claimedBlock);
  }

  async #splitsOf(events: readonly TaskEvent[]): Promise<Trail["splits"]> {
    const settled = events.find((event) => event.name === "TaskSettled");
    if (!settled) return [];
    const { nodeAmount: node, verifierAmount: verifiers, treasuryAmount: treasury, payout } = settled;
    return this.#divide({ node, verifiers, treasury }, payout);
  }

  async #divide({ node, verifiers, treasury }: Split, payout: string): Promise<Trail["splits"]> {
    const treasuryAccount = await this.#from.settlement.treasury();
    return [
      { role: "node", to: payout, amount: node.toString() },
      // The share waits in the pool of its epoch until that is divided among the verifiers.
      { role: "verifiers", to: this.#from.network.contracts.settlement, amount: verifiers.toString() },
      { role: "treasury", to: treasuryAccount, amount: treasury.toString() },
    ];
  }

  /** From the chain, not from the record: anyone may have sent a refund. Only an approval leaves no event of the task. */
  async #transactionsOf(
    record: TaskRecord,
    events: readonly TaskEvent[],
    batch: TaskBatch | undefined,
  ): Promise<Trail["transactions"]> {
    const purposes = purposesOf(events);
    if (batch) purposes.set(batch.transactionHash, "batch");
    for (const { purpose, hash, status } of record.transactions) {
      if (purpose === "approve" && status === "included") purposes.set(hash, purpose);
    }
    const included = await Promise.all(
      [...purposes].map(async ([hash, purpose]) => {
        const receipt = await this.#from.provider.getTransactionReceipt(hash);
        return receipt && { purpose, hash, gasUsed: receipt.gasUsed, block: receipt.blockNumber };
      }),
    );
    return included
      .filter((transaction) => transaction !== null)
      .sort((one, other) => one.block - other.block)
      .map(({ purpose, hash, gasUsed }) => ({
        purpose,
        hash,
        gasUsed: gasUsed.toString(),
        chainId: this.#from.network.chainId,
      }));
  }
}

/** What each transaction was for. A refusal refunds too, and is named by its stronger word; a charge without a lock is captured. */
function purposesOf(events: readonly TaskEvent[]): Map<string, TransactionPurpose> {
  const charge = events.some(({ name }) => name === "TaskOpened") ? "settle" : "capture";
  const purposeOf: [TaskEvent["name"], TransactionPurpose][] = [
    ["TaskRefunded", "refund"],
    ["TaskRefused", "refuse"],
    ["TaskSettled", charge],
    ["TaskOpened", "open"],
  ];
  const purposes = new Map<string, TransactionPurpose>();
  for (const [told, purpose] of purposeOf) {
    for (const { name, transactionHash } of events) if (name === told) purposes.set(transactionHash, purpose);
  }
  return purposes;
}

/** An account owes a charge from the certificate on; the chain hears of it in a batch. */
function amountsOf(record: TaskRecord, events: readonly TaskEvent[]): { charge: string; refund: string } {
  if (isPrefunded(record)) {
    const isOwed = record.state === "certified" || record.state === "settled";
    return { charge: (isOwed ? (record.result?.amount ?? 0n) : 0n).toString(), refund: "0" };
  }
  const charged = events.find((event) => event.name === "TaskCharged");
  const refunded = events.find((event) => event.name === "TaskRefunded");
  return {
    charge: (charged?.charge ?? 0n).toString(),
    refund: (charged?.refund ?? refunded?.amount ?? 0n).toString(),
  };
}

/** Whoever signed for an account signed the task itself. */
function isPrefunded({ release, taskId }: TaskRecord): boolean {
  return release?.paymentDigest === taskId;
}

function stateOf(record: TaskRecord, events: readonly TaskEvent[], batch: TaskBatch | undefined): TaskState {
  const { state, result } = record;
  if (isPrefunded(record) && state === "settled" && !batch && result?.amount !== 0n) return "certified";
  if (events.some(({ name }) => name === "TaskSettled")) return "settled";
  return events.some(({ name }) => name === "TaskRefunded") ? "refunded" : state;
}
