import { Worker } from "node:worker_threads";
import { OpgError } from "#protocol/errors.ts";
import type { NamedTensors } from "#protocol/tensors.ts";
import type { Model } from "./inspectModel.ts";
import type { WorkerAnswer, WorkerRequest } from "./workerMessages.ts";

/**
 * One worker thread with its WebAssembly engine and a few sessions, the least recently used making room.
 * After a failed run its memory can be in any state: terminate it and start another.
 */
export class SessionWorker {
  readonly #thread: Worker;
  readonly #maxSessions: number;
  /** Resolves when the thread takes models, or to the reason why it takes none. */
  readonly #started: Promise<string | undefined>;
  /** Digests of the models that the thread has a session for, least recently used first. */
  #loaded: string[] = [];

  constructor(engine: Uint8Array, maxSessions: number) {
    // In an object: the engine takes what its thread is given for its own name, and would write out every byte of an array.
    this.#thread = new Worker(new URL("./worker.ts", import.meta.url), { workerData: { engine } });
    this.#maxSessions = maxSessions;
    this.#started = new Promise((resolve) => {
      this.#thread.once("message", () => resolve(undefined));
      this.#thread.once("error", (error) => resolve(String(error)));
      this.#thread.once("exit", () => resolve(THREAD_ENDED));
    });
  }

  /**
   * Runs a model once. Inputs must fit it. The time that the engine takes to start does not count.
   *
   * @throws OpgError `execution_failed` or `timeout`
   */
  async run(model: Model, inputs: NamedTensors, timeoutSeconds: number): Promise<NamedTensors> {
    const notStarted = await this.#started;
    if (notStarted !== undefined) throw failed(model, notStarted);
    const others = this.#loaded.filter((digest) => digest !== model.digest);
    const release = others.slice(0, Math.max(0, others.length + 1 - this.#maxSessions));
    const load = this.#loaded.includes(model.digest) ? {} : { load: model.bytes };
    this.#loaded = [...others.slice(release.length), model.digest];
    const answer = await this.#ask({ digest: model.digest, release, inputs, ...load }, timeoutSeconds);
    if ("failure" in answer) throw failed(model, answer.failure);
    return answer.outputs;
  }

  async terminate(): Promise<void> {
    await this.#thread.terminate();
  }

  #ask(request: WorkerRequest, timeoutSeconds: number): Promise<WorkerAnswer> {
    const thread = this.#thread;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(timedOut(timeoutSeconds))), timeoutSeconds * 1000);
      const onMessage = (answer: WorkerAnswer) => settle(() => resolve(answer));
      const onError = (error: unknown) => settle(() => resolve({ failure: String(error) }));
      const onExit = () => settle(() => resolve({ failure: THREAD_ENDED }));
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        thread.off("message", onMessage).off("error", onError).off("exit", onExit);
        finish();
      };
      thread.on("message", onMessage).on("error", onError).on("exit", onExit);
      thread.postMessage(request);
    });
  }
}

const THREAD_ENDED = "the worker thread ended";
const MAX_REASON_CHARACTERS = 300;

function failed({ digest }: Model, reason: string): OpgError {
  const shown = reason.split("\n", 1).join().slice(0, MAX_REASON_CHARACTERS);
  return new OpgError("execution_failed", `The model could not be run on these inputs: ${shown}`, { model: digest });
}

function timedOut(timeoutSeconds: number): OpgError {
  const message = `The model did not finish within ${timeoutSeconds} seconds; give it smaller inputs.`;
  return new OpgError("timeout", message, { timeoutSeconds });
}
