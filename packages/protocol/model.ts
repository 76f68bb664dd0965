import { AbiCoder, encodeBytes32String, keccak256 } from "ethers";
import { z } from "zod";
import { address, bytes32 } from "./hex.ts";
import { type Meter, meterJson } from "./meter.ts";
import { dtypes } from "./tensors.ts";
import type { Dtype } from "./tensors.ts";

/** A published version of a model: everything that its id commits to. */
export interface ModelVersion {
  modelId: string;
  /** SHA-256 of the file. */
  contentDigest: string;
  /** Walrus blob id of the file. */
  storageId: string;
  /** {@link onnxFormat} */
  format: string;
  /** Digest of the execution profile. */
  profile: string;
  meter: Meter;
}

/** The one executable format, as the registry spells it. */
export const onnxFormat = encodeBytes32String("onnx");

/** `keccak256(abi.encode(publisher, salt))` */
export function modelIdOf(publisher: string, salt: string): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(["address", "bytes32"], [publisher, salt]));
}

/** `keccak256(abi.encode(modelId, contentDigest, storageId, format, profile, base, perInputByte, perOutputByte))` */
export function versionIdOf({ modelId, contentDigest, storageId, format, profile, meter }: ModelVersion): string {
  return keccak256(
    AbiCoder.defaultAbiCoder().encode(
      ["bytes32", "bytes32", "bytes32", "bytes32", "bytes32", "uint128", "uint64", "uint64"],
      [modelId, contentDigest, storageId, format, profile, meter.base, meter.perInputByte, meter.perOutputByte],
    ),
  );
}

/**
 * Name, type and shape of a graph's input or output. A dimension is fixed; symbolic, equal wherever its name appears; or
 * `null`, anything. A shape of `null` leaves the rank open.
 */
export const tensorSpecJson = z.strictObject({
  name: z.string(),
  dtype: z.enum(Object.keys(dtypes) as [Dtype, ...Dtype[]]),
  shape: z.array(z.union([z.int().min(0), z.string(), z.null()])).nullable(),
});

export type TensorSpec = z.infer<typeof tensorSpecJson>;

/** One entry of `GET /v1/models`. */
export const modelListingJson = z.strictObject({
  name: z.string(),
  version: z.string(),
  versionId: bytes32,
  modelId: bytes32,
  publisher: address,
  digest: bytes32,
  storageId: bytes32,
  format: z.string(),
  profile: bytes32,
  meter: meterJson,
  /** In the order of the graph, which is the order that digests are taken in. */
  inputs: z.array(tensorSpecJson),
  outputs: z.array(tensorSpecJson),
  /** Whether it answers step by step: then the leading dimension of each output is the number of steps. */
  streams: z.boolean(),
  /** How many active nodes run it now. */
  nodes: z.int().min(0),
});

export type ModelListing = z.output<typeof modelListingJson>;
export type ModelListingJson = z.input<typeof modelListingJson>;
