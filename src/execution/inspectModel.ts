import { fromBinary } from "@bufbuild/protobuf";
import { sha256 } from "ethers";
import { ModelProtoSchema, type GraphProto, type ModelProto, type ValueInfoProto } from "onnx-buf";
import { OpgError } from "#protocol/errors.ts";
import type { TensorSpec } from "#protocol/model.ts";
import { dtypes, type Dtype } from "#protocol/tensors.ts";
import { randomOperator } from "./randomOperator.ts";
import { type ModelScan, readScan } from "./readScan.ts";

/** An ONNX model that can be executed: its bytes, their SHA-256, and its interface in the order of the graph. */
export interface Model {
  digest: string;
  bytes: Uint8Array;
  /** Of a whole task. */
  inputs: readonly TensorSpec[];
  /** Of a whole task. */
  outputs: readonly TensorSpec[];
  /** How the graph is run once per step; not there where it is run once. */
  scan?: ModelScan;
}

/**
 * Reads the interface of an ONNX model. Inputs that only give a default (initializers) are left out.
 *
 * @throws OpgError `invalid_model` when the bytes are not ONNX, when an input or output is of a type that a task
 * cannot carry, when an operator draws random numbers, so that nobody could repeat the result, or when what it says
 * about its steps does not fit the graph
 */
export function inspectModel(bytes: Uint8Array): Model {
  const proto = parseModel(bytes);
  const random = randomOperator(proto);
  if (random !== undefined) {
    throw new OpgError("invalid_model", `The operator ${random} draws random numbers; a model must be repeatable.`, {
      operator: random,
    });
  }
  const defaults = new Set(proto.graph.initializer.map(({ name }) => name));
  const inputs = proto.graph.input.filter(({ name }) => !defaults.has(name)).map(tensorSpec);
  const outputs = proto.graph.output.map(tensorSpec);
  return { digest: sha256(bytes), bytes, ...readScan(proto, { inputs, outputs }) };
}

/** Names in the order of the graph, as the canonical encoding of tensors needs them. */
export function tensorOrder(specs: readonly TensorSpec[]): string[] {
  return specs.map(({ name }) => name);
}

function parseModel(bytes: Uint8Array): ModelProto & { graph: GraphProto } {
  let proto: ModelProto;
  try {
    proto = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw notOnnx(bytes, { cause });
  }
  const { graph } = proto;
  if (!graph || graph.output.length === 0) throw notOnnx(bytes);
  return Object.assign(proto, { graph });
}

function notOnnx(bytes: Uint8Array, options?: ErrorOptions): OpgError {
  const message = "These bytes are not an ONNX model; give a file that an ONNX exporter wrote.";
  return new OpgError("invalid_model", message, { bytes: bytes.length }, options);
}

function tensorSpec({ name, type }: ValueInfoProto): TensorSpec {
  const tensor = type?.value.case === "tensorType" ? type.value.value : undefined;
  const dtype = (Object.keys(dtypes) as Dtype[]).find((candidate) => dtypes[candidate].code === tensor?.elemType);
  if (!tensor || !dtype) {
    const carried = Object.keys(dtypes).join(", ");
    throw new OpgError("invalid_model", `"${name}" is of a type that a task cannot carry; use tensors of ${carried}.`, {
      tensor: name,
    });
  }
  const shape = tensor.shape?.dim.map(({ value }) => {
    // Some exporters write a dimension that they leave open as -1.
    if (value.case === "dimValue") return value.value < 0n ? null : Number(value.value);
    return value.case === "dimParam" && value.value !== "" ? value.value : null;
  });
  return { name, dtype, shape: shape ?? null };
}
