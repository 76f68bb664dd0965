import type { ModelProto } from "onnx-buf";
import { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import type { TensorSpec } from "#protocol/model.ts";
import { STEPS_DIMENSION } from "#protocol/steps.ts";

/** Key in an ONNX model's `metadata_props` under which it says how its graph is run once per step. */
export const SCAN_KEY = "opg.scan";

const scanJson = z.strictObject({
  /** Inputs that are cut along their first axis: each step gets one piece. */
  scanned: z.array(z.string()).min(1),
  /** Inputs that the step before gives, each by the name of that output; the request gives them to the first step. */
  state: z.record(z.string(), z.string()).default({}),
});

/** What a graph takes and gives. */
interface Interface {
  inputs: readonly TensorSpec[];
  outputs: readonly TensorSpec[];
}

/** A run of the graph for each step, as ONNX's operator `Scan` runs its body, and the interface of one such run. */
export interface ModelScan extends z.infer<typeof scanJson>, Interface {}

/**
 * Reads how a model is run step by step. For a whole task scanned inputs have the steps as their first dimension; so have
 * the outputs that no state is carried on in, which alone are given away. All other inputs are the same in each step.
 *
 * @param step - interface of the graph
 * @returns the interface of a whole task: that of the graph where the model says nothing
 * @throws OpgError `invalid_model` when what it says does not fit the graph
 */
export function readScan({ metadataProps }: ModelProto, step: Interface): Interface & { scan?: ModelScan } {
  const said = metadataProps.filter(({ key }) => key === SCAN_KEY);
  if (said.length === 0) return step;
  if (said.length > 1) throw unfit("is there twice");
  const { scanned, state } = parse(said[0]?.value ?? "");
  const carried = Object.values(state);
  const input = (name: string) => named(step.inputs, name, "input");
  const output = (name: string) => named(step.outputs, name, "output");
  requireDistinct([...scanned, ...Object.keys(state)]);
  requireDistinct(carried);
  for (const name of scanned) input(name);
  for (const [from, to] of Object.entries(state)) {
    if (input(from).dtype !== output(to).dtype)
      throw unfit(`carries "${to}" on in "${from}", which is of another type`);
  }
  const emitted = step.outputs.filter(({ name }) => !carried.includes(name));
  if (emitted.length === 0) throw unfit("leaves no output that is given away");
  return {
    inputs: step.inputs.map((spec) => (scanned.includes(spec.name) ? perStep(spec) : spec)),
    outputs: emitted.map(perStep),
    scan: { scanned, state, ...step },
  };
}

function parse(text: string): z.infer<typeof scanJson> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unfit("is not JSON", cause);
  }
  const parsed = scanJson.safeParse(value);
  if (parsed.success) return parsed.data;
  throw unfit(`has a wrong "${parsed.error.issues[0]?.path.join(".") ?? ""}"`, parsed.error);
}

function named(specs: readonly TensorSpec[], name: string, what: string): TensorSpec {
  const spec = specs.find((candidate) => candidate.name === name);
  if (spec) return spec;
  throw unfit(`names "${name}", which is no ${what} of the graph`);
}

function requireDistinct(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw unfit(`names "${twice}" twice`);
}

function perStep({ name, dtype, shape }: TensorSpec): TensorSpec {
  if (shape) return { name, dtype, shape: [STEPS_DIMENSION, ...shape] };
  throw unfit(`is about "${name}", of which the graph does not say the rank`);
}

function unfit(problem: string, cause?: unknown): OpgError {
  const message = `The model's ${SCAN_KEY} ${problem}; correct it and publish the file anew.`;
  return new OpgError("invalid_model", message, {}, { cause });
}
