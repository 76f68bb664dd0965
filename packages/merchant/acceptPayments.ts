import type { Handler } from "./handler.ts";
import type { MerchantOptions } from "./options.ts";
import { readOptions } from "./readOptions.ts";
import { Till } from "./till.ts";

/** What becomes of requests that match no route. */
export interface OtherRequests<Rest extends readonly unknown[]> {
  /** Answers them free of charge; may be the handler that is sold. */
  unlisted?: Handler<Rest>;
}

/** Takes payments for handlers. */
export interface Payments {
  /**
   * Puts a price on a handler: `Request` in, `Response` out, as before. On routes that cost something it runs once per
   * payment, after that was verified, and its answer passes through as it is made. A request that matches no route is answered
   * 404, unless `unlisted` is given.
   */
  paid: <Rest extends readonly unknown[]>(
    handler: Handler<Rest>,
    others?: OtherRequests<Rest>,
  ) => (request: Request, ...rest: Rest) => Promise<Response>;
  /** Takes no more payments, and resolves when those that were taken are settled; streams still running are waited for. */
  close: () => Promise<void>;
}

/**
 * Sells answers by the call with x402: verifies and claims a payment before the handler runs, streams the answer through, and
 * settles when it has ended, also when the client hangs up. The facilitator is asked what it supports at once, and again with
 * each request until it answers.
 *
 * @throws OpgError `configuration` when an option cannot be used
 */
export function acceptPayments(options: MerchantOptions): Payments {
  const till = new Till(options, readOptions(options));
  return {
    paid:
      (handler, { unlisted } = {}) =>
      (request, ...rest) =>
        till.answer(request, () => handler(request, ...rest), unlisted && (() => unlisted(request, ...rest))),
    close: () => till.close(),
  };
}
