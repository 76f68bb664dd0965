import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";

/** The header by which one id follows a request through all daemons, and comes back with the answer. */
export const requestIdHeader = "x-request-id";

const wellFormed = /^[A-Za-z0-9_-]{8,64}$/;
const current = new AsyncLocalStorage<string>();

/** The id that a caller gave, where it is one that may stand in a log; else a new one. */
export function acceptRequestId(given: string | undefined): string {
  return given !== undefined && wellFormed.test(given) ? given : randomUUID();
}

/** Does some work, and all that it sets off, under a request's id. */
export function withRequestId<Outcome>(requestId: string, work: () => Outcome): Outcome {
  return current.run(requestId, work);
}

/** Does work that belongs to no request, whoever happens to set it off. */
export function outsideRequests<Outcome>(work: () => Outcome): Outcome {
  return current.exit(work);
}

/** The id of the request that is being worked on, if it is one. */
export function currentRequestId(): string | undefined {
  return current.getStore();
}
