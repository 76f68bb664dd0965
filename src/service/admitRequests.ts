import type { MiddlewareHandler } from "hono";
import { OpgError } from "#protocol/errors.ts";
import type { Operations } from "./operations.ts";
import { requestAddress } from "./requestAddress.ts";

/** Refuses requests before anything of them is read: all of them while the process drains, and those above a limit. */
export function admitRequests(operations: Operations): MiddlewareHandler {
  const { readiness, rate } = operations;
  return (context, next) => {
    if (readiness.isDraining) {
      context.header("Connection", "close");
      const message = "This process is about to end and took nothing on; send the request again, it reaches another.";
      throw new OpgError("draining", message, { retryAfterSeconds: 1 });
    }
    if (rate) {
      const retryAfterSeconds = Math.ceil(rate.take(requestAddress(context, operations)));
      if (retryAfterSeconds > 0) throw tooMany(retryAfterSeconds);
    }
    return next();
  };
}

function tooMany(retryAfterSeconds: number): OpgError {
  const message = `Too many requests come from your address; send the next one in ${retryAfterSeconds} s.`;
  return new OpgError("rate_limited", message, { retryAfterSeconds });
}
