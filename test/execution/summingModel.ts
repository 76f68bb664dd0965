import { SCAN_KEY } from "#execution/readScan.ts";
import { STEPS_DIMENSION } from "#protocol/steps.ts";
import type { NamedTensors, Tensor } from "#protocol/tensors.ts";
import { buildGraph, node, value } from "./buildGraph.ts";

/**
 * A model with a state that a reader can compute: at each step the sum so far, and the scaled sum as what is given away.
 * `x` is cut into steps, `sum` is carried on, `scale` is the same in each.
 */
export const summingModel = buildGraph({
  inputs: [value("x", "float32", [2]), value("sum", "float32", [2]), value("scale", "float32", [2])],
  outputs: [value("next", "float32", [2]), value("scaled", "float32", [2])],
  nodes: [node("Add", ["x", "sum"], ["next"]), node("Mul", ["next", "scale"], ["scaled"])],
  metadata: { [SCAN_KEY]: JSON.stringify({ scanned: ["x"], state: { sum: "next" } }) },
});

/** Float32 values of a shape. */
export function float32(shape: number[], values: readonly number[]): Tensor {
  return { dtype: "float32", shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

/** Inputs of so many steps: [1, 10], [2, 20], ... from a sum of [0.5, 0.5], scaled by [2, 1]. */
export function summingInputs(steps: number): NamedTensors {
  const x = Array.from({ length: steps }, (_, step) => [step + 1, 10 * (step + 1)]).flat();
  return { x: float32([steps, 2], x), sum: float32([2], [0.5, 0.5]), scale: float32([2], [2, 1]) };
}

/** What the model gives after so many steps of {@link summingInputs}. */
export function summed(steps: number): NamedTensors {
  const triangle = (step: number): number => ((step + 1) * (step + 2)) / 2;
  const values = Array.from({ length: steps }, (_, step) => [2 * triangle(step) + 1, 10 * triangle(step) + 0.5]).flat();
  return { scaled: float32([steps, 2], values) };
}

/** What a whole task gives. */
export const summingOutputs = [{ name: "scaled", dtype: "float32" as const, shape: [STEPS_DIMENSION, 2] }];
