import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";

const POLL_MS = 100;

/** Waits for `awaited`, but not for ever. @throws OpgError `timeout` that says what was waited for */
export async function within<Outcome>(seconds: number, what: string, awaited: Promise<Outcome>): Promise<Outcome> {
  const timer = new AbortController();
  const late = sleep(seconds * 1000, undefined, { signal: timer.signal }).then(() => {
    throw new OpgError("timeout", `Waited ${seconds} s in vain for ${what}.`);
  });
  // Ended early, the timer rejects with nobody there to hear it.
  late.catch(() => undefined);
  try {
    return await Promise.race([awaited, late]);
  } finally {
    timer.abort();
  }
}

/** Waits until something holds. @returns whether it did in time */
export async function holdsWithin(seconds: number, holds: () => Promise<boolean>): Promise<boolean> {
  const lastTry = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > lastTry) return false;
    await sleep(POLL_MS);
  }
  return true;
}
