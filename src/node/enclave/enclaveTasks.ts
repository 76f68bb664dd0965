import { OpgError } from "#protocol/errors.ts";
import type { AnsweredTaskJson, ReleasedRequest } from "#protocol/messages.ts";
import { resultToJson } from "#protocol/result.ts";
import { type NamedTensorsJson, tensorsToJson } from "#protocol/tensors.ts";
import type { Domain } from "#protocol/typedData.ts";
import type { Clock } from "#service/clock.ts";
import { checkRelease, checkTimeLeft, notActive } from "./checkRelease.ts";
import { type CompactRequest, encodeRequest } from "./encodeRequest.ts";
import type { CompletedTask, Enclave, VersionedModel } from "./enclave.ts";
import type { HostCalls } from "./hostCalls.ts";
import { handOutPrefixes, type PrefixReader } from "./handOutPrefixes.ts";
import type { HeldModels } from "./heldModels.ts";
import { TaskBytes } from "./taskBytes.ts";

/** Longest time that steps are handed out for. */
const LONGEST_STREAM_SECONDS = 60;

/** What tasks are run with. */
export interface EnclaveTasksDependencies {
  enclave: Enclave;
  models: HeldModels;
  host: HostCalls;
  taskEscrow: Domain;
  settleWindowSeconds: number;
  clock: Clock;
}

/** A request that may be run here. */
interface AdmittedRequest extends CompactRequest {
  model: VersionedModel;
}

interface KnownTask {
  answer: Promise<AnsweredTaskJson>;
  /** Ends it after the step under way, where it has steps. */
  stopping: AbortController;
  /** Who shows it may end the stream. */
  secret: string | undefined;
  /** Seconds since 1970; nothing is signed after it. */
  deadline: number;
  /** Seconds since 1970; nobody can use the answer after that. */
  keepUntil: number;
}

/** Runs released tasks, each once, and gives outputs away once the host says that the result is certified. */
export class EnclaveTasks {
  readonly #dependencies: EnclaveTasksDependencies;
  /** Tasks that run or have been signed: a task is never computed twice, whatever the host says. */
  readonly #known = new Map<string, KnownTask>();
  readonly #bytes = new TaskBytes();

  constructor(dependencies: EnclaveTasksDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Answers a released request. The same request again gets the same answer, without another run; while it runs, it joins.
   *
   * @throws OpgError `invalid_release`, `no_active_node`, `task_terms_mismatch`, `timeout`, `unknown_model`, `model_bytes_mismatch`,
   * `invalid_tensor`, `task_request_mismatch`, `body_too_large`, `rate_limited`: nothing was computed; `execution_failed`, `charge_exceeds_ceiling`: nothing
   * was signed; `certificate_incomplete`, `result_refused`, or what the facilitator refused the certificate with
   */
  async answer(request: ReleasedRequest): Promise<AnsweredTaskJson> {
    const admitted = await this.#admit(request);
    return this.#join(admitted, () => this.#dependencies.enclave.run(admitted.request, admitted.model)).answer;
  }

  /**
   * Answers a released request, and hands its steps out as they are computed where its model is run step by step. When the
   * reader leaves, the last prefix that it took is the answer. The same request again gets the answer alone.
   *
   * @param secret - who shows it again may end the stream
   * @returns begins it, once the checks have passed
   * @throws OpgError as {@link EnclaveTasks.answer}
   */
  async stream(
    request: ReleasedRequest,
    secret?: string,
  ): Promise<(reader: PrefixReader) => Promise<AnsweredTaskJson>> {
    const admitted = await this.#admit(request);
    return (reader) => {
      const run = admitted.model.model.scan
        ? (stop: AbortSignal) => this.#handOut(admitted, reader, stop)
        : () => this.#dependencies.enclave.run(admitted.request, admitted.model);
      return this.#join(admitted, run, secret).answer;
    };
  }

  /**
   * Ends a stream at the last prefix that was taken, and answers with that. One that never began ends before its first
   * step, so that nothing is charged and the payer's money is free at once. Who does not know the secret waits for its end.
   *
   * @throws OpgError as {@link EnclaveTasks.answer}
   */
  async end(request: ReleasedRequest, secret?: string): Promise<AnsweredTaskJson> {
    const run = await this.stream(request, secret);
    const known = this.#known.get(request.release.taskId);
    if (known?.secret !== undefined && known.secret === secret) known.stopping.abort();
    return run({ take: () => Promise.resolve(), signal: AbortSignal.abort() });
  }

  /**
   * The request of a task that was begun and whose deadline has not passed, as it travels.
   *
   * @throws OpgError `unknown_task`: also where the task failed, or was certified and has made room for others
   */
  requestBytes(taskId: string): Uint8Array {
    this.#forget(this.#dependencies.clock());
    const bytes = this.#bytes.requestOf(taskId);
    if (bytes) return bytes;
    throw new OpgError("unknown_task", "No task of this id runs here.", { taskId });
  }

  /** Ends all streams at the last prefix that was taken. */
  endStreams(): void {
    for (const { stopping } of this.#known.values()) stopping.abort();
  }

  /** Resolves when every task that was begun has its end. */
  async drain(): Promise<void> {
    await Promise.allSettled([...this.#known.values()].map(({ answer }) => answer));
  }

  async #admit(request: ReleasedRequest): Promise<AdmittedRequest> {
    const { enclave, models, host, taskEscrow, clock } = this.#dependencies;
    const { task, release } = request;
    checkRelease(request, enclave.identity.node, taskEscrow);
    const { isActive } = await host.admit({ task, release });
    const model = models.get(task.model);
    enclave.checkRequest(request, model);
    const admitted = { ...encodeRequest(request), model };
    if (this.#known.has(release.taskId)) return admitted;
    if (!isActive) throw notActive(task.node);
    checkTimeLeft(task, release.releasedAt, clock());
    return admitted;
  }

  #join(admitted: AdmittedRequest, run: (stop: AbortSignal) => Promise<CompletedTask>, secret?: string): KnownTask {
    const { settleWindowSeconds, clock } = this.#dependencies;
    const { request, bytes } = admitted;
    const { taskId } = request.release;
    const known = this.#known.get(taskId);
    if (known) return known;
    this.#forget(clock());
    this.#bytes.begin(taskId, bytes);
    const { deadline } = request.task;
    const stopping = new AbortController();
    const completed = run(stopping.signal);
    const answer = this.#finish(request, completed);
    const begun = { answer, stopping, secret, deadline, keepUntil: deadline + settleWindowSeconds };
    this.#known.set(taskId, begun);
    // One that was forgotten may have been begun anew by then.
    const isKnown = (): boolean => this.#known.get(taskId) === begun;
    answer.then(
      ({ outputs }) => isKnown() && this.#bytes.certify(taskId, bytesOf(outputs)),
      () => isKnown() && this.#bytes.dropRequest(taskId),
    );
    completed.catch((error: unknown) => {
      // The executor's queue was full: nothing was run, so that it may be tried again.
      if (error instanceof OpgError && error.code === "rate_limited") this.#forgetTask(taskId);
    });
    return begun;
  }

  async #handOut(
    { request, model }: AdmittedRequest,
    reader: PrefixReader,
    ended: AbortSignal,
  ): Promise<CompletedTask> {
    const { enclave, clock } = this.#dependencies;
    const { outputs } = model.model;
    // Verifiers have until the deadline: one half as fast as this node still repeats all that is handed out.
    const seconds = Math.min(LONGEST_STREAM_SECONDS, (request.task.deadline - clock()) / 2);
    const stop = AbortSignal.any([ended, AbortSignal.timeout(Math.max(0, Math.floor(seconds * 1000)))]);
    return handOutPrefixes(enclave.stream(request, model), reader, { outputs, stop });
  }

  async #finish(request: ReleasedRequest, completed: Promise<CompletedTask>): Promise<AnsweredTaskJson> {
    const { host } = this.#dependencies;
    const { task, release } = request;
    const running = Promise.all([completed, host.begin({ task, release })]);
    const [{ outputs, signed }] = await running.catch(async (error: unknown) => {
      await host.abandon(release.taskId, error);
      throw error;
    });
    const { verdicts, transaction } = await host.certify(signed);
    const { result, nodeSignature } = signed;
    return { outputs: tensorsToJson(outputs), result: resultToJson(result), nodeSignature, verdicts, transaction };
  }

  #forget(now: number): void {
    for (const [taskId, known] of this.#known) {
      if (known.keepUntil < now) this.#forgetTask(taskId);
      else if (known.deadline < now) this.#bytes.dropRequest(taskId);
    }
  }

  #forgetTask(taskId: string): void {
    this.#known.delete(taskId);
    this.#bytes.forget(taskId);
  }
}

function bytesOf(outputs: NamedTensorsJson): number {
  return Object.values(outputs).reduce((sum, { data }) => sum + data.length, 0);
}
