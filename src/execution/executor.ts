import { OpgError } from "#protocol/errors.ts";
import type { NamedTensors } from "#protocol/tensors.ts";
import { checkInputs } from "./checkInputs.ts";
import { readEngine } from "./engine.ts";
import type { Model } from "./inspectModel.ts";
import { SessionWorker } from "./sessionWorker.ts";

/** Executes models in the `reproducible` profile: the same model and inputs give the same bits everywhere. */
export interface Executor {
  /**
   * Runs a model's graph once, after the runs that were asked for before.
   *
   * @throws OpgError `invalid_tensor` when the inputs do not fit, `rate_limited` when too many runs wait,
   * `execution_failed` when the model cannot be run on them, `timeout`
   */
  run(model: Model, inputs: NamedTensors): Promise<NamedTensors>;
  /** Ends the worker thread; a run under way or waiting fails. */
  close(): Promise<void>;
}

/** Limits of an executor. */
export interface ExecutorOptions {
  /** Longest run, building the session included and starting the engine not; 60 by default. */
  timeoutSeconds?: number;
  /** Most runs under way and waiting; 16 by default. */
  maxRuns?: number;
  /** Most models whose sessions are kept; 2 by default. */
  maxSessions?: number;
}

/**
 * Makes an executor with one worker thread, so that the event loop of the daemon stays free.
 *
 * @throws OpgError `configuration` when the installed engine is not the one that the profile pins
 */
export async function createExecutor(options: ExecutorOptions = {}): Promise<Executor> {
  return new QueueExecutor(await readEngine(), { timeoutSeconds: 60, maxRuns: 16, maxSessions: 2, ...options });
}

class QueueExecutor implements Executor {
  readonly #engine: Uint8Array;
  readonly #options: Required<ExecutorOptions>;
  #worker: SessionWorker | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #runs = 0;
  #closed = false;

  constructor(engine: Uint8Array, options: Required<ExecutorOptions>) {
    this.#engine = engine;
    this.#options = options;
  }

  async run(model: Model, inputs: NamedTensors): Promise<NamedTensors> {
    checkInputs(model, inputs);
    if (this.#runs >= this.#options.maxRuns) {
      throw new OpgError("rate_limited", `${this.#runs} runs are waiting here already; try again in a few seconds.`);
    }
    this.#runs += 1;
    const result = this.#last.then(() => this.#runNow(model, inputs));
    this.#last = result.catch(() => undefined);
    return result.finally(() => (this.#runs -= 1));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  async #runNow(model: Model, inputs: NamedTensors): Promise<NamedTensors> {
    if (this.#closed) throw new OpgError("execution_failed", "The executor is stopped; send the task again.");
    const { maxSessions, timeoutSeconds } = this.#options;
    const worker = (this.#worker ??= new SessionWorker(this.#engine, maxSessions));
    try {
      return await worker.run(model, inputs, timeoutSeconds);
    } catch (error) {
      this.#worker = undefined;
      await worker.terminate();
      throw error;
    }
  }
}
