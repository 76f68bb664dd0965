import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Logger } from "./logger.ts";
import type { Operations } from "./operations.ts";
import { acceptRequestId, requestIdHeader, withRequestId } from "./requestId.ts";

/** Pattern of what matches everything; a request that nothing else matched is not told apart by its path. */
const EVERYTHING = "/*";

/** Gives every request its id, counts it under its route's pattern, and tells its end at level `debug`. */
export function observeRequests({ http }: Operations, logger: Logger): MiddlewareHandler {
  const end = (context: Context, beganMs: number): void => {
    const seconds = (performance.now() - beganMs) / 1000;
    const pattern = routePath(context, -1);
    const route = pattern === EVERYTHING ? "unmatched" : pattern;
    const { method } = context.req;
    const { status } = context.res;
    http.end(method, route, status, seconds);
    if (logger.isLevelEnabled("debug")) logger.debug({ method, route, status, seconds }, "request answered");
  };
  return (context, next) => {
    const beganMs = performance.now();
    const requestId = acceptRequestId(context.req.header(requestIdHeader));
    context.header(requestIdHeader, requestId);
    http.begin();
    return withRequestId(requestId, () => next().finally(() => end(context, beganMs)));
  };
}
