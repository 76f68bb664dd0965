import type { GraphProto, ModelProto, NodeProto } from "onnx-buf";

/** ONNX operators whose result changes from run to run, with a seed too: the runtime carries it on between runs. */
const RANDOM_OPERATORS = new Set([
  "Bernoulli",
  "Multinomial",
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
]);

/** The first operator of a model that draws random numbers, also inside functions and the bodies of loops and branches. */
export function randomOperator(model: ModelProto): string | undefined {
  for (const node of nodesOf(model)) if (RANDOM_OPERATORS.has(node.opType)) return node.opType;
  return undefined;
}

function* nodesOf(model: ModelProto): Generator<NodeProto> {
  const bodies: Pick<GraphProto, "node">[] = [...model.functions];
  if (model.graph) bodies.push(model.graph);
  for (let body = bodies.pop(); body; body = bodies.pop()) {
    for (const node of body.node) {
      yield node;
      for (const { g, graphs } of node.attribute) bodies.push(...graphs, ...(g ? [g] : []));
    }
  }
}
