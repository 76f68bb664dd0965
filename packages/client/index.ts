/** Pay for a checkable inference or any call that x402 asks payment for; check the receipt. */
export { createClient } from "./createClient.ts";
export { IncompleteAnswerError } from "./incompleteAnswer.ts";
export { memoryState } from "./memoryState.ts";
export type { AllowanceNeed, AllowancePolicy } from "./allowancePolicy.ts";
export type { Client, Inference, InferenceEvent, InferOptions } from "./createClient.ts";
export type { ClientOptions } from "./clientOptions.ts";
export type { ClientState, StateChange, StateContent } from "./clientState.ts";
export type { Clock, Fetch, FetchInit, PayingInit, RandomBytes } from "./fetch.ts";
export type { OnChainFacts } from "./onChainFacts.ts";
export type { PaymentReceipt } from "./paymentReceipt.ts";
export type { PaymentSigner } from "./signer.ts";
export type { SpendingLimits } from "./spending.ts";
export { OpgError } from "../protocol/errors.ts";
export type { ErrorCode } from "../protocol/errors.ts";
export type { Receipt } from "../protocol/inferAnswer.ts";
export type { ModelListing, TensorSpec } from "../protocol/model.ts";
export type { Trail } from "../protocol/settlement.ts";
export type { Dtype, NamedTensors, Tensor, TensorJson } from "../protocol/tensors.ts";
