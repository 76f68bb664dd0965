import type { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { OpgError } from "#protocol/errors.ts";
import type { AnsweredTaskJson, CertificateMessage, ReleasedRequest } from "#protocol/messages.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import { resultToJson } from "#protocol/result.ts";
import { taskToJson } from "#protocol/task.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import type { Clock } from "#service/clock.ts";
import { countOutcomes, type OutcomeCounter } from "#service/countOutcomes.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import { askVerifier } from "./askVerifier.ts";
import { certify, witness } from "./certify.ts";
import { checkRelease, checkTimeLeft, type Facilitator, unknownFacilitator } from "./checkRelease.ts";
import { collectVerdicts, type CountedVerdict } from "./collectVerdicts.ts";
import type { CompletedTask, Enclave, VersionedModel } from "./enclave/enclave.ts";
import type { RunnableModels } from "./runnableModels.ts";
import type { VerifierQuorums } from "./verifierQuorums.ts";

/** What the duty works with. */
export interface TaskDutyDependencies {
  network: Network;
  enclave: Enclave;
  models: RunnableModels;
  quorums: VerifierQuorums;
  taskEscrow: Pick<TaskEscrowAdapter, "isFacilitator">;
  operations: Operations;
  clock: Clock;
  logger: Logger;
}

interface KnownTask {
  answer: Promise<AnsweredTaskJson>;
  /** Seconds since 1970; nobody can use the answer after that. */
  keepUntil: number;
}

/** Runs released tasks, has them checked, and gives outputs away once the certificate is with the facilitator. */
export class TaskDuty {
  readonly #dependencies: TaskDutyDependencies;
  /** Tasks that run or have been signed: a task is never computed twice. */
  readonly #known = new Map<string, KnownTask>();
  readonly #witnessing = new Set<Promise<unknown>>();
  readonly #countTask: OutcomeCounter;

  constructor(dependencies: TaskDutyDependencies) {
    this.#dependencies = dependencies;
    const { registry } = dependencies.operations;
    this.#countTask = countOutcomes(registry, "opg_tasks_total", "Released tasks that were begun, by outcome.");
  }

  /**
   * Answers a released request. The same request again gets the same answer, without another run; while it runs, it joins.
   *
   * @throws OpgError `invalid_release`, `task_terms_mismatch`, `timeout`, `unknown_model`, `model_bytes_mismatch`,
   * `invalid_tensor`, `task_request_mismatch`: nothing was computed; `execution_failed`, `charge_exceeds_ceiling`: nothing
   * was signed; `certificate_incomplete`, `result_refused`, or what the facilitator refused the certificate with
   */
  async answer(request: ReleasedRequest): Promise<AnsweredTaskJson> {
    const { network, enclave, models, quorums, taskEscrow, clock } = this.#dependencies;
    const { task, release } = request;
    const facilitator = checkRelease(request, enclave.identity.node, network);
    const [isFacilitator, model] = await Promise.all([
      taskEscrow.isFacilitator(release.facilitator),
      models.get(task.model),
      quorums.refresh(),
    ]);
    if (!isFacilitator) throw unknownFacilitator(release.facilitator);
    enclave.checkRequest(request, model);
    const known = this.#known.get(release.taskId);
    if (known) return known.answer;
    checkTimeLeft(task, release.releasedAt, clock());
    return this.#begin(request, model, facilitator);
  }

  /** Resolves when no certificate is on its way to verifiers any more. */
  async drain(): Promise<void> {
    await Promise.allSettled(this.#witnessing);
  }

  #begin(request: ReleasedRequest, model: VersionedModel, facilitator: Facilitator): Promise<AnsweredTaskJson> {
    const { network, enclave, clock, logger } = this.#dependencies;
    const { taskId } = request.release;
    const keepUntil = request.task.deadline + network.parameters.settleWindowSeconds;
    logger.info({ taskId, model: request.task.model, facilitator: facilitator.address }, "task begun");
    const completed = enclave.run(request, model);
    const answer = this.#countTask(this.#finish(request, completed, facilitator, keepUntil));
    this.#forget(clock());
    this.#known.set(taskId, { answer, keepUntil });
    answer.catch((error: unknown) => {
      logger.warn({ taskId, err: error }, "task failed");
      // The executor's queue was full: nothing was run, so that it may be tried again.
      if (error instanceof OpgError && error.code === "rate_limited") this.#known.delete(taskId);
    });
    return answer;
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
    this.#witness(certificate, pending);
    const { result, nodeSignature, verdicts } = certificate;
    return { outputs: tensorsToJson(outputs), result: resultToJson(result), nodeSignature, verdicts, transaction };
  }

  #askVerifiers(request: ReleasedRequest, completed: Promise<CompletedTask>): Promise<CountedVerdict>[] {
    const { network, quorums, logger } = this.#dependencies;
    const { taskId } = request.release;
    const signed = completed.then((task) => task.signed);
    signed.catch(() => undefined);
    const settlement = domainIn(network, "settlement");
    const question = { taskId, request: { ...request, task: taskToJson(request.task) }, signed, settlement };
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

  /** Best effort: what a verifier misses here, it does not count. */
  #witness(certificate: CertificateMessage, pending: readonly Promise<CountedVerdict>[]): void {
    const { network, logger } = this.#dependencies;
    const { taskId } = certificate.result;
    const epoch = certificate.verdicts[0]?.epoch;
    const sending = Promise.allSettled(pending).then(async (outcomes) => {
      const heard = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      const verdicts = heard
        .map(({ verdict }) => verdict)
        .filter((verdict) => verdict.agrees && verdict.epoch === epoch);
      const witnessed = { ...certificate, verdicts, commitments: heard.map(({ commitment }) => commitment) };
      const sent = network.verifiers.map((verifier) =>
        witness(verifier, witnessed).catch((error: unknown) =>
          logger.warn({ taskId, verifier: verifier.address, err: error }, "certificate not witnessed"),
        ),
      );
      await Promise.all(sent);
    });
    this.#witnessing.add(sending);
    void sending.finally(() => this.#witnessing.delete(sending));
  }

  #forget(now: number): void {
    for (const [taskId, { keepUntil }] of this.#known) if (keepUntil < now) this.#known.delete(taskId);
  }
}
