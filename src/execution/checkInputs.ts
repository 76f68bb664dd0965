import { OpgError } from "#protocol/errors.ts";
import type { TensorSpec } from "#protocol/model.ts";
import { MAX_STEPS } from "#protocol/steps.ts";
import type { NamedTensors, Tensor } from "#protocol/tensors.ts";
import { dtypes, elementCount } from "#protocol/tensors.ts";
import type { Model } from "./inspectModel.ts";

type Dimension = NonNullable<TensorSpec["shape"]>[number];

/**
 * Checks that the inputs of a task are what the graph takes: every input once, with its type, rank and fixed
 * dimensions, symbolic dimensions equal wherever their name appears, and data of the length that the shape says.
 *
 * @returns how many steps the task has: 1 where the graph is run once
 * @throws OpgError `invalid_tensor` saying what to give instead
 */
export function checkInputs({ inputs: specs, scan }: Pick<Model, "inputs" | "scan">, inputs: NamedTensors): number {
  const wanted = specs.map(({ name }) => `"${name}"`).join(", ") || "none";
  const extra = Object.keys(inputs).find((name) => !specs.some((spec) => spec.name === name));
  if (extra !== undefined) throw invalid(extra, `is not an input of the model, which takes: ${wanted}.`);
  const symbols = new Map<string, number>();
  for (const spec of specs) {
    const tensor = Object.hasOwn(inputs, spec.name) ? inputs[spec.name] : undefined;
    if (!tensor) throw invalid(spec.name, `is missing; the model takes: ${wanted}.`);
    checkTensor(spec, tensor, symbols);
  }
  const [scanned] = scan?.scanned ?? [];
  if (scanned === undefined) return 1;
  const steps = inputs[scanned]?.shape[0] ?? 0;
  if (steps > 0 && steps <= MAX_STEPS) return steps;
  throw invalid(scanned, `is of ${steps} steps; a task takes 1 to ${MAX_STEPS}.`);
}

function checkTensor(spec: TensorSpec, tensor: Tensor, symbols: Map<string, number>): void {
  if (tensor.dtype !== spec.dtype) throw invalid(spec.name, `is ${tensor.dtype}; the model takes ${spec.dtype}.`);
  const fits =
    spec.shape === null ||
    (spec.shape.length === tensor.shape.length &&
      spec.shape.every((dimension, axis) => dimensionFits(dimension, tensor.shape[axis], symbols)));
  if (!fits)
    throw invalid(
      spec.name,
      `has shape [${tensor.shape.join(", ")}]; the model takes ${describe(spec.shape, symbols)}.`,
    );
  const bytes = elementCount(tensor.shape) * dtypes[tensor.dtype].bytes;
  if (tensor.data.length !== bytes) {
    throw invalid(spec.name, `has ${tensor.data.length} bytes of data; its type and shape need ${bytes}.`);
  }
}

function dimensionFits(dimension: Dimension, size: number | undefined, symbols: Map<string, number>): boolean {
  if (size === undefined) return false;
  if (typeof dimension === "number") return dimension === size;
  if (dimension === null) return true;
  const bound = symbols.get(dimension);
  if (bound === undefined) symbols.set(dimension, size);
  return bound === undefined || bound === size;
}

function describe(shape: TensorSpec["shape"], symbols: Map<string, number>): string {
  const dimensions = (shape ?? []).map((dimension) => {
    if (dimension === null) return "any";
    const bound = typeof dimension === "string" ? symbols.get(dimension) : undefined;
    return bound === undefined ? String(dimension) : `${dimension} = ${bound}`;
  });
  return `[${dimensions.join(", ")}]`;
}

function invalid(name: string, complaint: string): OpgError {
  return new OpgError("invalid_tensor", `Tensor "${name}" ${complaint}`, { tensor: name });
}
