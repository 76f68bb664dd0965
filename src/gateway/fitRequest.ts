import { checkInputs } from "#execution/checkInputs.ts";
import { tensorOrder } from "#execution/inspectModel.ts";
import type { PaidRequest } from "#protocol/checkReceipt.ts";
import { OpgError } from "#protocol/errors.ts";
import { meterCharge } from "#protocol/meter.ts";
import type { InferRequest } from "#protocol/request.ts";
import { MAX_STEPS_BYTES } from "#protocol/steps.ts";
import {
  dtypes,
  elementCount,
  type NamedTensors,
  tensorBytes,
  tensorsDigest,
  tensorsFromJson,
} from "#protocol/tensors.ts";
import type { Gateway } from "./gateway.ts";
import type { Graph } from "./modelCatalog.ts";

/** A request whose inputs fit the model's graph, with what it can cost. */
export interface FittingRequest {
  body: InferRequest;
  versionId: string;
  /** `name@version`, for people. */
  model: string;
  inputs: NamedTensors;
  inputDigest: string;
  /** What a charge and a response digest are computed with. */
  listing: PaidRequest["listing"];
  /** Price ceiling, atomic units. */
  price: bigint;
}

/**
 * Nothing is offered, let alone signed, for inputs that the model would not take.
 *
 * @throws OpgError `unknown_model`, `invalid_model`, `invalid_tensor`; the hub's
 */
export async function fitRequest({ catalog, settings }: Gateway, body: InferRequest): Promise<FittingRequest> {
  const { version, graph } = await catalog.find(body.model);
  const inputs = tensorsFromJson(body.inputs);
  const steps = checkInputs(graph, inputs);
  const inputDigest = tensorsDigest(tensorOrder(graph.inputs), inputs);
  const outputBytes = outputBytesOf(graph, steps, settings.maxOutputBytes);
  const price = meterCharge(version.meter, tensorBytes(inputs), BigInt(outputBytes));
  const listing = { meter: version.meter, outputs: [...graph.outputs], streams: graph.scan !== undefined };
  const model = `${version.name}@${version.label}`;
  return { body, versionId: version.versionId, model, inputs, inputDigest, listing, price };
}

/**
 * The output bytes that a price ceiling allows for: of a stream those of all its steps.
 *
 * @throws OpgError `invalid_tensor` for more than a task may give
 */
function outputBytesOf({ outputs, scan }: Graph, steps: number, maxOutputBytes: number): number {
  if (!scan) return maxOutputBytes;
  const bytes = outputs.reduce((sum, output) => sum + stepBytes(output), 0);
  const all = steps * (Number.isNaN(bytes) ? maxOutputBytes : bytes);
  if (all <= MAX_STEPS_BYTES) return all;
  const message = `${steps} steps can give ${all} bytes, more than the ${MAX_STEPS_BYTES} of one task; send fewer.`;
  throw new OpgError("invalid_tensor", message, { steps, bytes: all });
}

/** Bytes of an output in each step; not a number where the graph leaves them open. */
function stepBytes({ dtype, shape }: Graph["outputs"][number]): number {
  const [, ...rest] = shape ?? [];
  return elementCount(rest.map((size) => (typeof size === "number" ? size : NaN))) * dtypes[dtype].bytes;
}
