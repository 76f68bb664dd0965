/** Sell answers by the call with x402, streams among them. */
export { acceptPayments } from "./acceptPayments.ts";
export type { OtherRequests, Payments } from "./acceptPayments.ts";
export type { Asset, EndedPayment, FailedPayment, MerchantOptions, PaidRoute, SettledPayment } from "./options.ts";
export type { Handler } from "./handler.ts";
export type { Ending, Served } from "./served.ts";
export { OpgError } from "../protocol/errors.ts";
