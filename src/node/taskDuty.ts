import type { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import type { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { OpgError } from "#protocol/errors.ts";
import type { AnsweredTaskJson, ReleasedRequest } from "#protocol/messages.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import { resultToJson } from "#protocol/result.ts";
import { stepsOf } from "#protocol/steps.ts";
import { taskToJson } from "#protocol/task.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import type { Clock } from "#service/clock.ts";
import { countOutcomes, type OutcomeCounter } from "#service/countOutcomes.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import { askVerifier } from "./askVerifier.ts";
import { certify } from "./certify.ts";
import { checkRelease, checkTimeLeft, type Facilitator, notActive, unknownFacilitator } from "./checkRelease.ts";
import { collectVerdicts, type CountedVerdict } from "./collectVerdicts.ts";
import type { CompletedTask, Enclave, VersionedModel } from "./enclave/enclave.ts";
import { handOutPrefixes, type PrefixReader } from "./handOutPrefixes.ts";
import type { RunnableModels } from "./runnableModels.ts";
import type { VerifierQuorums } from "./verifierQuorums.ts";
import { Witnessing } from "./witnessing.ts";

/** Longest time that steps are handed out for. */
const LONGEST_STREAM_SECONDS = 60;

/** What the duty works with. */
export interface TaskDutyDependencies {
  network: Network;
  enclave: Enclave;
  models: RunnableModels;
  quorums: VerifierQuorums;
  taskEscrow: Pick<TaskEscrowAdapter, "isFacilitator">;
  nodeRegistry: Pick<NodeRegistryAdapter, "isActive">;
  operations: Operations;
  clock: Clock;
  logger: Logger;
}

/** A request that may be run here. */
interface AdmittedRequest {
  request: ReleasedRequest;
  model: VersionedModel;
  facilitator: Facilitator;
}

interface KnownTask {
  answer: Promise<AnsweredTaskJson>;
  /** Ends it after the step under way, where it has steps. */
  stopping: AbortController;
  /** Who shows it may end the stream. */
  secret: string | undefined;
  /** Seconds since 1970; nobody can use the answer after that. */
  keepUntil: number;
}

/** Runs released tasks, has them checked, and gives outputs away once the certificate is with the facilitator. */
export class TaskDuty {
  readonly #dependencies: TaskDutyDependencies;
  /** Tasks that run or have been signed: a task is never computed twice. */
  readonly #known = new Map<string, KnownTask>();
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
   * Answers a released request. The same request again gets the same answer, without another run; while it runs, it joins.
   *
   * @throws OpgError `invalid_release`, `no_active_node`, `task_terms_mismatch`, `timeout`, `unknown_model`, `model_bytes_mismatch`,
   * `invalid_tensor`, `task_request_mismatch`: nothing was computed; `execution_failed`, `charge_exceeds_ceiling`: nothing
   * was signed; `certificate_incomplete`, `result_refused`, or what the facilitator refused the certificate with
   */
  async answer(request: ReleasedRequest): Promise<AnsweredTaskJson> {
    const admitted = await this.#admit(request);
    return this.#join(admitted, () => this.#dependencies.enclave.run(request, admitted.model)).answer;
  }

  /**
   * Answers a released request, and hands its steps out as they are computed where its model is run step by step. When the
   * reader leaves, the last prefix that it took is the answer. The same request again gets the answer alone.
   *
   * @param secret - who shows it again may end the stream
   * @returns begins it, once the checks have passed
   * @throws OpgError as {@link TaskDuty.answer}
   */
  async stream(
    request: ReleasedRequest,
    secret?: string,
  ): Promise<(reader: PrefixReader) => Promise<AnsweredTaskJson>> {
    const admitted = await this.#admit(request);
    return (reader) => {
      const run = admitted.model.model.scan
        ? (stop: AbortSignal) => this.#handOut(admitted, reader, stop)
        : () => this.#dependencies.enclave.run(request, admitted.model);
      return this.#join(admitted, run, secret).answer;
    };
  }

  /**
   * Ends a stream at the last prefix that was taken, and answers with that. One that never began ends before its first
   * step, so that nothing is charged and the payer's money is free at once. Who does not know the secret waits for its end.
   *
   * @throws OpgError as {@link TaskDuty.answer}
   */
  async end(request: ReleasedRequest, secret?: string): Promise<AnsweredTaskJson> {
    const run = await this.stream(request, secret);
    const known = this.#known.get(request.release.taskId);
    if (known?.secret !== undefined && known.secret === secret) known.stopping.abort();
    return run({ take: () => Promise.resolve(), signal: AbortSignal.abort() });
  }

  /** Ends all streams at the last prefix that was taken. */
  endStreams(): void {
    for (const { stopping } of this.#known.values()) stopping.abort();
  }

  /** Resolves when every task that was begun has its end, and no certificate is on its way to verifiers any more. */
  async drain(): Promise<void> {
    await Promise.allSettled([...this.#known.values()].map(({ answer }) => answer));
    await this.#witnessing.ended();
  }

  async #admit(request: ReleasedRequest): Promise<AdmittedRequest> {
    const { network, enclave, models, quorums, taskEscrow, nodeRegistry, clock } = this.#dependencies;
    const { task, release } = request;
    const facilitator = checkRelease(request, enclave.identity.node, network);
    const [isFacilitator, isActive, model] = await Promise.all([
      taskEscrow.isFacilitator(release.facilitator),
      nodeRegistry.isActive(task.node),
      models.get(task.model),
      quorums.refresh(),
    ]);
    if (!isFacilitator) throw unknownFacilitator(release.facilitator);
    enclave.checkRequest(request, model);
    if (this.#known.has(release.taskId)) return { request, model, facilitator };
    if (!isActive) throw notActive(task.node);
    checkTimeLeft(task, release.releasedAt, clock());
    return { request, model, facilitator };
  }

  #join(admitted: AdmittedRequest, run: (stop: AbortSignal) => Promise<CompletedTask>, secret?: string): KnownTask {
    const { network, clock, logger } = this.#dependencies;
    const { request, facilitator } = admitted;
    const { taskId } = request.release;
    const known = this.#known.get(taskId);
    if (known) return known;
    const keepUntil = request.task.deadline + network.parameters.settleWindowSeconds;
    logger.info({ taskId, model: request.task.model, facilitator: facilitator.address }, "task begun");
    const stopping = new AbortController();
    const completed = run(stopping.signal);
    const answer = this.#countTask(this.#finish(request, completed, facilitator, keepUntil));
    this.#forget(clock());
    const begun = { answer, stopping, secret, keepUntil };
    this.#known.set(taskId, begun);
    answer.catch((error: unknown) => {
      logger.warn({ taskId, err: error }, "task failed");
      // The executor's queue was full: nothing was run, so that it may be tried again.
      if (error instanceof OpgError && error.code === "rate_limited") this.#known.delete(taskId);
    });
    return begun;
  }

  async #handOut(
    { request, model }: AdmittedRequest,
    reader: PrefixReader,
    ended: AbortSignal,
  ): Promise<CompletedTask> {
    const { enclave, clock, logger } = this.#dependencies;
    const { taskId } = request.release;
    const { outputs } = model.model;
    // Verifiers have until the deadline: one half as fast as this node still repeats all that is handed out.
    const seconds = Math.min(LONGEST_STREAM_SECONDS, (request.task.deadline - clock()) / 2);
    const stop = AbortSignal.any([ended, AbortSignal.timeout(Math.max(0, Math.floor(seconds * 1000)))]);
    const onFailure = (error: unknown) => logger.warn({ taskId, err: error }, "stream ends early");
    const completed = await handOutPrefixes(enclave.stream(request, model), reader, { outputs, stop, onFailure });
    logger.info({ taskId, steps: stepsOf(completed.outputs) }, "stream ended");
    return completed;
  }

  async #finish(
    request: ReleasedRequest,
    completed: Promise<CompletedTask>,
    facilitator: Facilitator,
    until: number,
  ): Promise<AnsweredTaskJson> {
    const { clock, logger } = this.#dependencies;
    const { taskId } = request.release;
    const pending = this.#askVerifiers(request, completed);
    const { outputs, signed } = await completed;
    logger.info({ taskId, amount: signed.result.amount.toString() }, "task executed");
    const agreeing = await collectVerdicts(pending);
    const certificate = { ...signed, verdicts: agreeing.map(({ verdict }) => verdict) };
    const transaction = await certify(facilitator, certificate, until, { clock, logger });
    logger.info({ taskId, verdicts: agreeing.length, transaction }, "task certified");
    this.#witnessing.begin(certificate, pending);
    const { result, nodeSignature, verdicts } = certificate;
    return { outputs: tensorsToJson(outputs), result: resultToJson(result), nodeSignature, verdicts, transaction };
  }

  #askVerifiers(request: ReleasedRequest, completed: Promise<CompletedTask>): Promise<CountedVerdict>[] {
    const { network, quorums, clock, logger } = this.#dependencies;
    const { taskId } = request.release;
    const { deadline } = request.task;
    const signed = completed.then((task) => task.signed);
    signed.catch(() => undefined);
    const settlement = domainIn(network, "settlement");
    const asked = { ...request, task: taskToJson(request.task) };
    const question = { taskId, request: asked, signed, settlement, deadline, clock };
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

  #forget(now: number): void {
    for (const [taskId, { keepUntil }] of this.#known) if (keepUntil < now) this.#known.delete(taskId);
  }
}
