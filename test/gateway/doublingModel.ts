import { id } from "ethers";
import { profileDigest } from "#execution/profile.ts";
import { onnxFormat } from "#protocol/model.ts";
import type { NamedTensors } from "#protocol/tensors.ts";
import { buildGraph, node, value } from "#test/execution/buildGraph.ts";

/** A model that a reader can compute: y = x + x, for one line of any number of floats. */
export const doublingModel = buildGraph({
  inputs: [value("x", "float32", [1, "n"])],
  outputs: [value("y", "float32", [1, "n"])],
  nodes: [node("Add", ["x", "x"], ["y"])],
});

/** What the tests publish it with: price of 1,000 units, 3 per input byte, 5 per output byte. */
export const doublingTerms = {
  storageId: id("storage"),
  format: onnxFormat,
  profile: profileDigest,
  meter: { base: 1_000n, perInputByte: 3n, perOutputByte: 5n },
};

/** The inputs [1, 2, 3]. */
export const someInputs = { x: { dtype: "float32" as const, shape: [1, 3], data: [1, 2, 3] } };

/** What the model gives. */
export function double({ x }: NamedTensors): NamedTensors {
  if (!x) throw new Error("the doubling model takes x");
  const values = new Float32Array(Uint8Array.from(x.data).buffer).map((element) => element + element);
  return { y: { dtype: "float32", shape: x.shape, data: new Uint8Array(values.buffer) } };
}
