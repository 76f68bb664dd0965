import type { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import type { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import type { SignedResult } from "#protocol/result.ts";
import type { Clock } from "#service/clock.ts";
import { countOutcomes, type OutcomeCounter } from "#service/countOutcomes.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import { askVerifier } from "./askVerifier.ts";
import { certify } from "./certify.ts";
import { collectVerdicts, type CountedVerdict } from "./collectVerdicts.ts";
import type { ReleasedTask } from "./enclave/checkRelease.ts";
import type { Certification } from "./enclave/hostCalls.ts";
import { type Facilitator, findFacilitator, unknownFacilitator } from "./facilitators.ts";
import type { RemoteEnclave } from "./remoteEnclave.ts";
import type { RunnableModels } from "./runnableModels.ts";
import { SealingKeys } from "./sealingKeys.ts";
import type { VerifierQuorums } from "./verifierQuorums.ts";
import { Witnessing } from "./witnessing.ts";

/** What the duty works with. */
export interface TaskDutyDependencies {
  network: Network;
  /** Seals requests to verifiers. */
  enclave: Pick<RemoteEnclave, "seal">;
  models: Pick<RunnableModels, "require">;
  quorums: VerifierQuorums;
  taskEscrow: Pick<TaskEscrowAdapter, "isFacilitator">;
  nodeRegistry: Pick<NodeRegistryAdapter, "isActive">;
  operations: Operations;
  clock: Clock;
  logger: Logger;
}

interface RunningTask {
  /** What the enclave has signed, once it has. */
  signed: PromiseWithResolvers<SignedResult>;
  certification: Promise<Certification>;
}

/**
 * Stands between the enclave, which runs tasks, and the network: says which may be run, has verifiers check them, and brings the
 * certificate to the facilitator. It sees the task and the signed result, neither inputs nor outputs.
 */
export class TaskDuty {
  readonly #dependencies: TaskDutyDependencies;
  readonly #running = new Map<string, RunningTask>();
  readonly #sealingKeys = new SealingKeys();
  readonly #witnessing: Witnessing;
  readonly #countTask: OutcomeCounter;

  constructor(dependencies: TaskDutyDependencies) {
    this.#dependencies = dependencies;
    const { network, logger, operations } = dependencies;
    const { registry } = operations;
    this.#witnessing = new Witnessing(network, logger);
    this.#countTask = countOutcomes(registry, "opg_tasks_total", "Released tasks that were begun, by outcome.");
  }

  /**
   * Whether a task may be run here, as far as the chain and the models say.
   *
   * @returns whether this node takes new tasks: what it has begun it may finish all the same
   * @throws OpgError `invalid_release`, `unknown_model`, `node_unavailable`, or what the model's loading failed with
   */
  async admit({ task, release }: ReleasedTask): Promise<{ isActive: boolean }> {
    const { network, models, quorums, taskEscrow, nodeRegistry } = this.#dependencies;
    findFacilitator(network, release.facilitator);
    const [isFacilitator, isActive] = await Promise.all([
      taskEscrow.isFacilitator(release.facilitator),
      nodeRegistry.isActive(task.node),
      models.require(task.model),
      quorums.refresh(),
    ]);
    if (!isFacilitator) throw unknownFacilitator(release.facilitator);
    return { isActive };
  }

  /** The enclave runs a task: has every verifier repeat it meanwhile. @throws OpgError `invalid_release` */
  begin(released: ReleasedTask): void {
    const { network, logger } = this.#dependencies;
    const { taskId } = released.release;
    const facilitator = findFacilitator(network, released.release.facilitator);
    if (this.#running.has(taskId)) throw new OpgError("invalid_release", "The task runs already.", { taskId });
    logger.info({ taskId, model: released.task.model, facilitator: facilitator.address }, "task begun");
    const signed = Promise.withResolvers<SignedResult>();
    signed.promise.catch(() => undefined);
    const certification = this.#countTask(this.#finish(released, facilitator, signed.promise));
    this.#running.set(taskId, { signed, certification });
    certification
      .catch((error: unknown) => logger.warn({ taskId, err: error }, "task failed"))
      .finally(() => this.#running.delete(taskId));
  }

  /** The enclave has no result. @param code - of what it failed with; more does not leave the enclave */
  abandon(taskId: string, code: ErrorCode): void {
    this.#running.get(taskId)?.signed.reject(new OpgError(code, "The enclave could not run the task.", { taskId }));
    this.#running.delete(taskId);
  }

  /**
   * The enclave has a result. The first one of a task counts.
   *
   * @throws OpgError `unknown_task`, `certificate_incomplete`, `result_refused`, or what the facilitator refused it with
   */
  async certify(signed: SignedResult): Promise<Certification> {
    const { taskId } = signed.result;
    const running = this.#running.get(taskId);
    if (!running) throw new OpgError("unknown_task", "No task of this id was begun.", { taskId });
    running.signed.resolve(signed);
    return running.certification;
  }

  /** Resolves when every task that was begun has its end, and no certificate is on its way to verifiers any more. */
  async drain(): Promise<void> {
    await Promise.allSettled([...this.#running.values()].map(({ certification }) => certification));
    await this.#witnessing.ended();
  }

  async #finish(
    released: ReleasedTask,
    facilitator: Facilitator,
    signing: Promise<SignedResult>,
  ): Promise<Certification> {
    const { network, clock, logger } = this.#dependencies;
    const { taskId } = released.release;
    const pending = this.#askVerifiers(released, signing);
    const signed = await signing;
    logger.info({ taskId, amount: signed.result.amount.toString() }, "task executed");
    const agreeing = await collectVerdicts(pending);
    const verdicts = agreeing.map(({ verdict }) => verdict);
    const certificate = { ...signed, verdicts };
    const until = released.task.deadline + network.parameters.settleWindowSeconds;
    const transaction = await certify(facilitator, certificate, until, { clock, logger });
    logger.info({ taskId, verdicts: verdicts.length, transaction }, "task certified");
    this.#witnessing.begin(certificate, pending);
    return { verdicts, transaction };
  }

  #askVerifiers({ task, release }: ReleasedTask, signed: Promise<SignedResult>): Promise<CountedVerdict>[] {
    const { network, enclave, quorums, clock, logger } = this.#dependencies;
    const { taskId } = release;
    const question = {
      taskId,
      seal: (sealingKey: Parameters<RemoteEnclave["seal"]>[1]) => enclave.seal(taskId, sealingKey),
      sealingKeys: this.#sealingKeys,
      signed,
      settlement: domainIn(network, "settlement"),
      deadline: task.deadline,
      clock,
    };
    return network.verifiers.map((verifier) => {
      const counted = askVerifier(verifier, question).then((checked) => quorums.count(checked));
      counted.then(
        ({ verdict: { agrees, reason, epoch } }) =>
          logger.info({ taskId, verifier: verifier.address, agrees, reason, epoch }, "verdict received"),
        (error: unknown) => logger.warn({ taskId, verifier: verifier.address, err: error }, "verdict missing"),
      );
      return counted;
    });
  }
}
