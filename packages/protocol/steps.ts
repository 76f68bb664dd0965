import { OpgError } from "./errors.ts";
import type { TensorSpec } from "./model.ts";
import { elementCount, type NamedTensors, type Tensor } from "./tensors.ts";

/** Name of the leading dimension of what a model takes or gives step by step. */
export const STEPS_DIMENSION = "opg.steps";

/** Most steps of one task. */
export const MAX_STEPS = 1_024;

/** Most bytes that the steps of one task may give: each prefix of them is hashed anew. */
export const MAX_STEPS_BYTES = 2 * 1024 * 1024;

/**
 * How many steps outputs are of: their leading dimension.
 *
 * @throws OpgError `invalid_tensor` when they do not agree
 */
export function stepsOf(outputs: NamedTensors): number {
  const steps = Object.values(outputs)[0]?.shape[0];
  const other = Object.keys(outputs).find((name) => outputs[name]?.shape[0] !== steps);
  if (steps !== undefined && other === undefined) return steps;
  throw uneven(other ?? "");
}

/**
 * How many steps inputs are of, by the dimension that the model's scanned inputs have in common; nothing where the model
 * is run once, or leaves their rank open.
 */
export function stepsAsked(specs: readonly TensorSpec[], inputs: NamedTensors): number | undefined {
  const scanned = specs.find(({ shape }) => shape?.[0] === STEPS_DIMENSION);
  return scanned && inputs[scanned.name]?.shape[0];
}

/**
 * Puts parts of a run in a row: tensors that differ in their leading dimension alone, along it.
 *
 * @param specs - outputs of the whole task, in the order of the graph; of no parts at all they give the empty response,
 * in which every dimension that is left open is 0
 * @throws OpgError `invalid_tensor` when parts do not fit together
 */
export function joinSteps(specs: readonly TensorSpec[], parts: readonly NamedTensors[]): NamedTensors {
  return Object.fromEntries(specs.map((spec) => [spec.name, joinTensors(spec, parts)]));
}

function joinTensors({ name, dtype, shape }: TensorSpec, parts: readonly NamedTensors[]): Tensor {
  const tensors = parts.map((part) => part[name]);
  const first = tensors[0];
  if (parts.length === 0) {
    const rest = (shape ?? []).slice(1).map((dimension) => (typeof dimension === "number" ? dimension : 0));
    return { dtype, shape: [0, ...rest], data: new Uint8Array() };
  }
  const rest = first?.shape.slice(1).join();
  const fitting = tensors.filter((tensor) => tensor?.dtype === dtype && tensor.shape.slice(1).join() === rest);
  const alike = fitting.filter((tensor) => tensor !== undefined);
  if (!first || alike.length !== parts.length) throw uneven(name);
  const steps = alike.reduce((sum, tensor) => sum + (tensor.shape[0] ?? 0), 0);
  const data = new Uint8Array(alike.reduce((sum, tensor) => sum + tensor.data.length, 0));
  let offset = 0;
  for (const tensor of alike) {
    data.set(tensor.data, offset);
    offset += tensor.data.length;
  }
  return { dtype, shape: [steps, ...first.shape.slice(1)], data };
}

/** The part of a tensor that one step gets: its leading dimension is gone. */
export function sliceStep({ dtype, shape, data }: Tensor, step: number): Tensor {
  const rest = shape.slice(1);
  const bytes = elementCount(shape) === 0 ? 0 : data.length / (shape[0] ?? 1);
  return { dtype, shape: rest, data: data.slice(step * bytes, (step + 1) * bytes) };
}

/** What one step gave, as a run of one step. */
export function asStep(outputs: NamedTensors): NamedTensors {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [name, { ...tensor, shape: [1, ...tensor.shape] }]),
  );
}

function uneven(tensor: string): OpgError {
  const message = `Tensor "${tensor}" is not of the same steps as the others, or not of the same shape in each.`;
  return new OpgError("invalid_tensor", message, { tensor });
}
