import { decodeBase64, encodeBase64, getBytes, sha256, toBeArray, toUtf8Bytes, zeroPadValue } from "ethers";
import { z } from "zod";
import { OpgError } from "./errors.ts";

/** Element types that a task may carry: ONNX name, code in the canonical encoding (ONNX's own numbers), bytes each. */
export const dtypes = {
  float32: { code: 1, bytes: 4 },
  uint8: { code: 2, bytes: 1 },
  int8: { code: 3, bytes: 1 },
  uint16: { code: 4, bytes: 2 },
  int16: { code: 5, bytes: 2 },
  int32: { code: 6, bytes: 4 },
  int64: { code: 7, bytes: 8 },
  bool: { code: 9, bytes: 1 },
  float64: { code: 11, bytes: 8 },
  uint32: { code: 12, bytes: 4 },
  uint64: { code: 13, bytes: 8 },
} as const;

/** Name of an element type. */
export type Dtype = keyof typeof dtypes;

/** A tensor as every part of OPG holds it: `data` is little-endian, row-major. */
export interface Tensor {
  dtype: Dtype;
  shape: readonly number[];
  data: Uint8Array;
}

/** Tensors by the graph's input or output name. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** Largest rank and name that the encoding takes; both far above what real graphs use. */
const MAX_RANK = 16;
const MAX_NAME_BYTES = 256;

const numberOrText = z.union([z.number(), z.boolean(), z.string().regex(/^-?[0-9]{1,20}$/)]);

/** Wire shape of a tensor: `data` is base64 of little-endian bytes, or a flat array (64-bit integers may be strings). */
export const tensorJson = z.strictObject({
  dtype: z.enum(Object.keys(dtypes) as [Dtype, ...Dtype[]]),
  shape: z.array(z.int().min(0)).max(MAX_RANK),
  data: z.union([z.base64(), z.array(numberOrText)]),
});

/** Wire shape of {@link NamedTensors}. */
export const namedTensorsJson = z.record(z.string().min(1).max(MAX_NAME_BYTES), tensorJson);

export type TensorJson = z.infer<typeof tensorJson>;
export type NamedTensorsJson = z.infer<typeof namedTensorsJson>;

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Reads a tensor off the wire. @throws OpgError `invalid_tensor` when data and shape disagree or a value does not fit. */
export function tensorFromJson(name: string, json: TensorJson): Tensor {
  const data = typeof json.data === "string" ? decodeBase64(json.data) : packValues(name, json.dtype, json.data);
  const expectedBytes = elementCount(json.shape) * dtypes[json.dtype].bytes;
  if (data.length !== expectedBytes) {
    throw new OpgError(
      "invalid_tensor",
      `Tensor "${name}" of type ${json.dtype} and shape [${json.shape.join(", ")}] needs ${expectedBytes} bytes of data but has ${data.length}; make data and shape agree.`,
      { tensor: name, expectedBytes, bytes: data.length },
    );
  }
  if (json.dtype === "bool" && data.some((byte) => byte > 1)) throw badValue(name, json.dtype, "a byte above 1");
  return { dtype: json.dtype, shape: json.shape, data };
}

/** Reads named tensors off the wire. @throws OpgError `invalid_tensor` */
export function tensorsFromJson(json: NamedTensorsJson): NamedTensors {
  return Object.fromEntries(Object.entries(json).map(([name, tensor]) => [name, tensorFromJson(name, tensor)]));
}

/** Writes named tensors for the wire, data as base64. */
export function tensorsToJson(tensors: NamedTensors): NamedTensorsJson {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, data }]) => [
      name,
      { dtype, shape: [...shape], data: encodeBase64(data) },
    ]),
  );
}

/** Bytes of tensor data, the unit that a meter charges for. */
export function tensorBytes(tensors: NamedTensors): bigint {
  return Object.values(tensors).reduce((sum, tensor) => sum + BigInt(tensor.data.length), 0n);
}

/**
 * The canonical encoding that input and output digests are taken over. For each tensor in the order of the graph's
 * inputs or outputs: u16 length and UTF-8 bytes of the name, u8 type code, u8 rank, u64 per dimension, u64 length and
 * bytes of the data; all integers little-endian; the whole prefixed by "OPG/tensors/1" and a u16 count.
 *
 * @param order - names in the order of the graph; every tensor must be named exactly once
 * @throws OpgError `invalid_tensor` when a named tensor is missing or one too many is given
 */
export function encodeTensors(order: readonly string[], tensors: NamedTensors): Uint8Array {
  const parts: Uint8Array[] = [toUtf8Bytes("OPG/tensors/1"), littleEndian(order.length, 2)];
  for (const name of order) {
    const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
    if (!tensor)
      throw new OpgError("invalid_tensor", `Tensor "${name}" is missing; the model needs it.`, { tensor: name });
    const nameBytes = toUtf8Bytes(name);
    parts.push(littleEndian(nameBytes.length, 2), nameBytes, littleEndian(dtypes[tensor.dtype].code, 1));
    parts.push(littleEndian(tensor.shape.length, 1), ...tensor.shape.map((dimension) => littleEndian(dimension, 8)));
    parts.push(littleEndian(tensor.data.length, 8), tensor.data);
  }
  const extra = Object.keys(tensors).find((name) => !order.includes(name));
  if (extra !== undefined) {
    throw new OpgError("invalid_tensor", `The model has no tensor "${extra}"; leave it out.`, { tensor: extra });
  }
  return joinBytes(parts);
}

/** SHA-256 of {@link encodeTensors}: the digest of a task's inputs or outputs before salting. */
export function tensorsDigest(order: readonly string[], tensors: NamedTensors): string {
  return sha256(encodeTensors(order, tensors));
}

/** Not ethers' concat, which goes through hex text: tensors are megabytes. */
function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

function littleEndian(value: number, bytes: number): Uint8Array {
  return getBytes(zeroPadValue(toBeArray(value), bytes)).reverse();
}

type WireValue = number | boolean | string;

function packValues(name: string, dtype: Dtype, values: readonly WireValue[]): Uint8Array {
  const { bytes } = dtypes[dtype];
  const view = new DataView(new ArrayBuffer(values.length * bytes));
  values.forEach((value, index) => writeValue(view, index * bytes, name, dtype, value));
  return new Uint8Array(view.buffer);
}

function writeValue(view: DataView, offset: number, name: string, dtype: Dtype, value: WireValue): void {
  if (dtype === "float32" || dtype === "float64") {
    if (typeof value !== "number") throw badValue(name, dtype, value);
    return dtype === "float32" ? view.setFloat32(offset, value, true) : view.setFloat64(offset, value, true);
  }
  if (dtype === "bool") {
    if (typeof value !== "boolean") throw badValue(name, dtype, value);
    return view.setUint8(offset, value ? 1 : 0);
  }
  const integer = toInteger(name, dtype, value);
  for (let byte = 0; byte < dtypes[dtype].bytes; byte++) {
    view.setUint8(offset + byte, Number((integer >> BigInt(8 * byte)) & 0xffn));
  }
}

function toInteger(name: string, dtype: Dtype, value: WireValue): bigint {
  if (typeof value === "boolean" || (typeof value === "number" && !Number.isSafeInteger(value))) {
    throw badValue(name, dtype, value);
  }
  const integer = BigInt(value);
  const bits = BigInt(dtypes[dtype].bytes * 8);
  const fits = dtype.startsWith("u") ? BigInt.asUintN(Number(bits), integer) : BigInt.asIntN(Number(bits), integer);
  if (fits !== integer) throw badValue(name, dtype, value);
  return integer;
}

function badValue(name: string, dtype: Dtype, value: WireValue): OpgError {
  return new OpgError("invalid_tensor", `Tensor "${name}" of type ${dtype} cannot hold ${String(value)}.`, {
    tensor: name,
    value: String(value),
  });
}
