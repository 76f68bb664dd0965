import { refusedEvidence } from "./refusedEvidence.ts";

/** How old evidence may be, and how far a platform's clock may run ahead. */
export const MAX_AGE_SECONDS = 300;
export const MAX_AHEAD_SECONDS = 60;

/**
 * Refuses evidence that was not made now; both times in seconds since 1970.
 *
 * @throws OpgError `evidence_refused`: `stale` or `from_the_future`
 */
export function checkFreshness(timestamp: number, now: number): void {
  if (timestamp < now - MAX_AGE_SECONDS) throw refusedEvidence("stale", { timestamp, now });
  if (timestamp > now + MAX_AHEAD_SECONDS) throw refusedEvidence("from_the_future", { timestamp, now });
}
