import { hexlify, type Wallet } from "ethers";
import { checkInputs } from "#execution/checkInputs.ts";
import type { Executor } from "#execution/executor.ts";
import { type Model, tensorOrder } from "#execution/inspectModel.ts";
import { profileDigest } from "#execution/profile.ts";
import { OpgError } from "#protocol/errors.ts";
import type { ReleasedRequest } from "#protocol/messages.ts";
import type { ModelVersion } from "#protocol/model.ts";
import { prefixesRoot } from "#protocol/prefixes.ts";
import { requestDigest } from "#protocol/request.ts";
import { taskIdOf } from "#protocol/task.ts";
import { type NamedTensors, tensorsDigest, tensorsFromJson } from "#protocol/tensors.ts";
import type { Domain } from "#protocol/typedData.ts";
import { commitmentOf, commitmentTypedData, type SignedCommitment } from "#protocol/verdict.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { StoredCommitment, VerifierStore } from "#store/verifierStore.ts";
import { checkReleasedTask } from "./checkReleasedTask.ts";
import type { VerifierContracts } from "./contracts.ts";
import type { Models } from "./models.ts";
import { ReceivedReleases } from "./receivedReleases.ts";
import { repeatTask } from "./repeatTask.ts";
import type { VerifierMetrics } from "./verifierMetrics.ts";
import { signDocument } from "#protocol/signedDocument.ts";

/** So long before its deadline a task is repeated no further: the commitment has to reach the node. */
const COMMIT_SECONDS = 5;

/** What the duty works with. */
export interface TaskDutyDependencies {
  wallet: Wallet;
  domains: { taskEscrow: Domain; settlement: Domain };
  contracts: VerifierContracts;
  models: Models;
  executor: Executor;
  store: VerifierStore;
  metrics: VerifierMetrics;
  clock: Clock;
  /** 32 unpredictable bytes, each time others. */
  randomBytes: () => Uint8Array;
  logger: Logger;
}

/** Repeats tasks, and commits to its own answer before it is shown the node's. */
export class TaskDuty {
  readonly #dependencies: TaskDutyDependencies;
  /** Tasks under way, so that one that is sent twice runs once. */
  readonly #running = new Map<string, Promise<StoredCommitment>>();
  /** One that could not be run when it came, such as for a full executor, is taken later all the same. */
  readonly #received = new ReceivedReleases();

  constructor(dependencies: TaskDutyDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Checks and repeats a task. Asked again for the same task, it answers with the same commitment and runs nothing.
   *
   * @throws OpgError before anything is run: `invalid_release`, `no_active_node`, `task_terms_mismatch`,
   * `unknown_model`, `invalid_model`, `task_request_mismatch`, `invalid_tensor`, or why the model's bytes could not be
   * had; then the executor's
   */
  async commit(request: ReleasedRequest): Promise<SignedCommitment> {
    const { domains, store, models, wallet } = this.#dependencies;
    const taskId = taskIdOf(request.task, domains.taskEscrow);
    const known = await store.commitment(taskId);
    if (known) return toSigned(known, wallet.address);
    const version = await this.#check(taskId, request);
    const model = await models.load(version.contentDigest);
    const inputs = readInputs(taskId, request, model);
    const running = this.#running.get(taskId) ?? this.#repeat(taskId, request, { version, model, inputs });
    this.#running.set(taskId, running);
    return toSigned(await running.finally(() => this.#running.delete(taskId)), wallet.address);
  }

  async #check(taskId: string, { task, release }: ReleasedRequest): Promise<ModelVersion> {
    const { contracts, domains, clock } = this.#dependencies;
    const now = clock();
    const [facilitatorRegistered, nodeActive, version] = await Promise.all([
      contracts.taskEscrow.isFacilitator(release.facilitator),
      contracts.nodeRegistry.isActive(task.node),
      contracts.modelRegistry.version(task.model),
    ]);
    const wasReceived = this.#received.has(taskId);
    const facts = { taskId, facilitatorRegistered, nodeActive, wasReceived, version };
    const terms = { taskEscrow: domains.taskEscrow, profile: profileDigest };
    const checked = checkReleasedTask(task, release, facts, terms, now);
    if ("error" in checked) throw checked.error;
    if (!wasReceived) this.#received.add(taskId, task.deadline, now);
    return checked.version;
  }

  async #repeat(
    taskId: string,
    { task, release, salt }: ReleasedRequest,
    { version, model, inputs }: { version: ModelVersion; model: Model; inputs: NamedTensors },
  ): Promise<StoredCommitment> {
    const { wallet, domains, executor, store, metrics, clock, randomBytes, logger } = this.#dependencies;
    const known = await store.commitment(taskId);
    if (known) return known;
    const isOver = (): boolean => clock() >= task.deadline - COMMIT_SECONDS;
    const terms = { salt, meter: version.meter, isOver };
    const answers = await metrics.countExecution(repeatTask(executor, model, inputs, terms));
    const ownSalt = hexlify(randomBytes());
    const committed = prefixesRoot(answers.map(({ response }) => response));
    const commitment = commitmentOf(committed, wallet.address, ownSalt);
    const committedAt = clock();
    const signature = await signDocument(
      wallet,
      commitmentTypedData({ taskId, commitment, committedAt }, domains.settlement),
    );
    const stored = await store.recordCommitment({
      taskId,
      task,
      facilitator: release.facilitator,
      releasedAt: release.releasedAt,
      paymentDigest: release.paymentDigest,
      answers,
      salt: ownSalt,
      commitment,
      committedAt,
      signature,
    });
    logger.info({ taskId, model: task.model, committedAt }, "committed to an answer");
    return stored;
  }
}

function readInputs(taskId: string, { task, salt, inputs }: ReleasedRequest, model: Model): NamedTensors {
  const tensors = tensorsFromJson(inputs);
  checkInputs(model, tensors);
  const digest = requestDigest(salt, task.model, tensorsDigest(tensorOrder(model.inputs), tensors));
  if (digest === task.request) return tensors;
  throw new OpgError("task_request_mismatch", "The inputs and salt are not those that the task names.", { taskId });
}

function toSigned(
  { taskId, commitment, committedAt, signature }: StoredCommitment,
  verifier: string,
): SignedCommitment {
  return { verifier, taskId, commitment, committedAt, signature };
}
