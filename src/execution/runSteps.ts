import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";
import { asStep, joinSteps, MAX_STEPS_BYTES, sliceStep } from "#protocol/steps.ts";
import { type NamedTensors, tensorBytes } from "#protocol/tensors.ts";
import { checkInputs } from "./checkInputs.ts";
import type { Executor } from "./executor.ts";
import type { Model } from "./inspectModel.ts";
import type { ModelScan } from "./readScan.ts";

/** Longest execution of all steps of a task together; the time that a reader takes does not count. */
const MAX_RUN_SECONDS = 60;
const RETRY_MS = 50;

/**
 * Runs a task to its end, whether its model is run once or step by step.
 *
 * @throws OpgError the executor's
 */
export async function runTask(executor: Executor, model: Model, inputs: NamedTensors): Promise<NamedTensors> {
  if (!model.scan) return executor.run(model, inputs);
  const steps: NamedTensors[] = [];
  for await (const step of runSteps(executor, model, inputs)) steps.push(step);
  return joinSteps(model.outputs, steps);
}

/**
 * Runs a model's graph once per step, each step when it is asked for, so that other runs have their turn in between.
 *
 * @returns for each step the outputs that are given away, as of a run of one step
 * @throws OpgError the executor's; `execution_failed` also for outputs that do not fit together or are too large,
 * `timeout` also for all steps together
 */
export async function* runSteps(executor: Executor, model: Model, inputs: NamedTensors): AsyncGenerator<NamedTensors> {
  const { scan } = model;
  if (!scan) throw new Error("the model is not run step by step");
  const count = checkInputs(model, inputs);
  const graph: Model = { digest: model.digest, bytes: model.bytes, inputs: scan.inputs, outputs: scan.outputs };
  let state = pick(inputs, Object.keys(scan.state));
  let first: NamedTensors | undefined;
  let bytes = 0n;
  let usedMs = 0;
  for (let step = 0; step < count; step++) {
    const beganMs = performance.now();
    const results = await runStep(executor, graph, { ...inputs, ...slices(scan, inputs, step), ...state }, step);
    usedMs += performance.now() - beganMs;
    state = Object.fromEntries(Object.entries(scan.state).map(([from, to]) => [from, output(results, to)]));
    const emitted = asStep(pick(results, namesOf(model)));
    bytes += tensorBytes(emitted);
    requireBounds(bytes, usedMs);
    requireAlike(model, (first ??= emitted), emitted);
    yield emitted;
  }
}

/** A place in the queue may be taken between two steps; what has begun waits for the next one. */
async function runStep(executor: Executor, graph: Model, inputs: NamedTensors, step: number): Promise<NamedTensors> {
  for (;;) {
    try {
      return await executor.run(graph, inputs);
    } catch (error) {
      if (step === 0 || !(error instanceof OpgError)) throw error;
      if (error.code === "invalid_tensor")
        throw failed(`its state does not fit the next step: ${error.message}`, error);
      if (error.code !== "rate_limited") throw error;
      await sleep(RETRY_MS);
    }
  }
}

function slices({ scanned }: ModelScan, inputs: NamedTensors, step: number): NamedTensors {
  return Object.fromEntries(scanned.map((name) => [name, sliceStep(output(inputs, name), step)]));
}

function namesOf({ outputs }: Model): string[] {
  return outputs.map(({ name }) => name);
}

function pick(tensors: NamedTensors, names: readonly string[]): NamedTensors {
  return Object.fromEntries(names.map((name) => [name, output(tensors, name)]));
}

function output(tensors: NamedTensors, name: string): NamedTensors[string] {
  const tensor = tensors[name];
  if (tensor) return tensor;
  throw failed(`it gave no "${name}"`);
}

function requireBounds(bytes: bigint, usedMs: number): void {
  if (bytes > MAX_STEPS_BYTES) throw failed(`its steps give more than ${MAX_STEPS_BYTES} bytes`);
  if (usedMs <= MAX_RUN_SECONDS * 1000) return;
  const message = `The model did not finish its steps within ${MAX_RUN_SECONDS} seconds; give it fewer.`;
  throw new OpgError("timeout", message, { timeoutSeconds: MAX_RUN_SECONDS });
}

function requireAlike(model: Model, first: NamedTensors, emitted: NamedTensors): void {
  try {
    joinSteps(model.outputs, [first, emitted]);
  } catch (error) {
    throw failed("its steps give outputs of different types or shapes", error);
  }
}

function failed(reason: string, cause?: unknown): OpgError {
  const message = `The model could not be run step by step on these inputs: ${reason}`;
  return new OpgError("execution_failed", message, {}, { cause });
}
