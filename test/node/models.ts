import { buildGraph, node, value } from "#test/execution/buildGraph.ts";

const line = { inputs: [value("x", "float32", ["n"])], outputs: [value("y", "float32", ["n"])] };

/** y = -x over a line of numbers. */
export const negation = buildGraph({ ...line, nodes: [node("Neg", ["x"], ["y"])] });

/** y = x + x over a line of numbers. */
export const addition = buildGraph({ ...line, nodes: [node("Add", ["x", "x"], ["y"])] });
