import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "onnx-buf";
import { dtypes, type Dtype } from "#protocol/tensors.ts";

/** What a graph of a test is made of. */
export interface GraphParts {
  inputs?: ValueInfoProto[];
  outputs: ValueInfoProto[];
  nodes: NodeProto[];
  constants?: TensorProto[];
  /** What the model says of itself, by key. */
  metadata?: Record<string, string>;
}

/** Bytes of an ONNX model that a test needs. */
export function buildGraph(parts: GraphParts): Uint8Array {
  const graph = graphOf(parts);
  const metadataProps = Object.entries(parts.metadata ?? {}).map(([key, value]) => ({ key, value }));
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 8n, opsetImport: [{ version: 13n }], graph, metadataProps }),
  );
}

/** The body of a loop or a branch, or a whole graph. */
export function graphOf({ inputs = [], outputs, nodes, constants = [] }: GraphParts): GraphProto {
  return create(GraphProtoSchema, {
    name: "graph",
    input: inputs,
    output: outputs,
    node: nodes,
    initializer: constants,
  });
}

/** An input or output; a dimension is fixed, symbolic or, as `undefined`, open. */
export function value(name: string, dtype: Dtype, shape: (number | string | undefined)[]): ValueInfoProto {
  const dim = shape.map((dimension) => {
    if (dimension === undefined) return {};
    return typeof dimension === "number"
      ? { value: { case: "dimValue" as const, value: BigInt(dimension) } }
      : { value: { case: "dimParam" as const, value: dimension } };
  });
  const tensor = { elemType: dtypes[dtype].code, shape: { dim } };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value: tensor } } });
}

/** An operator. */
export function node(opType: string, input: string[], output: string[], attribute: AttributeProto[] = []): NodeProto {
  return create(NodeProtoSchema, { opType, input, output, attribute });
}

/** An attribute that is a graph of its own. */
export function body(g: GraphProto): AttributeProto {
  return create(AttributeProtoSchema, { name: "body", type: AttributeProto_AttributeType.GRAPH, g });
}

/** A constant; no shape makes it a scalar. */
export function constant(name: string, dtype: Dtype, rawData: Uint8Array, shape: number[] = []): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: dtypes[dtype].code,
    dims: shape.map(BigInt),
    rawData: Uint8Array.from(rawData),
  });
}
