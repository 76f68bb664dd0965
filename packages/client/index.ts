/** Pay for a checkable inference, send it, check the receipt. */
export { createClient } from "./createClient.ts";
export type { Client, ClientOptions, Inference, InferOptions } from "./createClient.ts";
export type { Fetch, FetchInit } from "./callGateway.ts";
export type { PaymentSigner } from "./signer.ts";
export { OpgError } from "../protocol/errors.ts";
export type { ErrorCode } from "../protocol/errors.ts";
export type { Receipt } from "../protocol/inferAnswer.ts";
export type { ModelListing, TensorSpec } from "../protocol/model.ts";
export type { Trail } from "../protocol/settlement.ts";
export type { Dtype, NamedTensors, Tensor, TensorJson } from "../protocol/tensors.ts";
