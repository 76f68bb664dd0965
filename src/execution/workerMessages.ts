import type { NamedTensors } from "#protocol/tensors.ts";

/** One run, as the executor sends it to its worker thread. */
export interface WorkerRequest {
  /** SHA-256 of the model. */
  digest: string;
  /** Bytes of the model, when the worker has no session for it yet. */
  load?: Uint8Array;
  /** Digests of the models whose sessions make room first. */
  release: readonly string[];
  inputs: NamedTensors;
}

/** What the worker thread answers: the outputs, or why the run failed. */
export type WorkerAnswer = { outputs: NamedTensors } | { failure: string };
