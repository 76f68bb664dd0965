import { checkInputs } from "#execution/checkInputs.ts";
import { tensorOrder } from "#execution/inspectModel.ts";
import type { PaidRequest } from "#protocol/checkReceipt.ts";
import { meterCharge } from "#protocol/meter.ts";
import type { InferRequest } from "#protocol/request.ts";
import { type NamedTensors, tensorBytes, tensorsDigest, tensorsFromJson } from "#protocol/tensors.ts";
import type { Gateway } from "./gateway.ts";

/** A request whose inputs fit the model's graph, with what it can cost. */
export interface FittingRequest {
  body: InferRequest;
  versionId: string;
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
  checkInputs(graph.inputs, inputs);
  const inputDigest = tensorsDigest(tensorOrder(graph.inputs), inputs);
  const price = meterCharge(version.meter, tensorBytes(inputs), BigInt(settings.maxOutputBytes));
  const listing = { meter: version.meter, outputs: [...graph.outputs] };
  return { body, versionId: version.versionId, inputs, inputDigest, listing, price };
}
