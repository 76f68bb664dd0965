import type { HttpBindings } from "@hono/node-server";
import type { MiddlewareHandler } from "hono";
import { OpgError } from "#protocol/errors.ts";
import { clientAddress } from "./clientAddress.ts";
import type { Operations } from "./operations.ts";

/** Refuses requests before anything of them is read: all of them while the process drains, and those above a limit. */
export function admitRequests({ readiness, limit }: Operations): MiddlewareHandler {
  return (context, next) => {
    if (readiness.isDraining) {
      context.header("Connection", "close");
      const message = "This process is about to end and took nothing on; send the request again, it reaches another.";
      throw new OpgError("draining", message, { retryAfterSeconds: 1 });
    }
    if (limit) {
      const { incoming } = context.env as Partial<HttpBindings>;
      const forwarded = context.req.header("x-forwarded-for");
      const address = clientAddress(incoming?.socket.remoteAddress ?? "", forwarded, limit.trustedProxies);
      const retryAfterSeconds = Math.ceil(limit.rate.take(address));
      if (retryAfterSeconds > 0) throw tooMany(retryAfterSeconds);
    }
    return next();
  };
}

function tooMany(retryAfterSeconds: number): OpgError {
  const message = `Too many requests come from your address; send the next one in ${retryAfterSeconds} s.`;
  return new OpgError("rate_limited", message, { retryAfterSeconds });
}
