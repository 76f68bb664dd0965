import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, Asked } from "./askVerifier.ts";

/** How long a batch that enough have signed waits for members that are a little slower than the rest. */
const STRAGGLERS_SECONDS = 1;
/** What a member may take in all: it is asked twice where it needs certificates, and may have to be taught before. */
const MEMBER_SECONDS = 120;

/** What a member says. */
export interface Said {
  verifier: string;
  answer: Answer;
}

/** How members are asked. */
export interface Asking {
  members: readonly Asked[];
  /** So many signatures are enough. */
  threshold: number;
  /** Nothing where a member has no answer; must not fail. */
  ask: (asked: Asked, signal: AbortSignal) => Promise<Answer | undefined>;
  /** Ends it at once. */
  stopping: AbortSignal;
}

/** Asks members until a threshold has signed, or nobody is left to answer. Who is slow is missing and stops nobody. */
export async function collectAnswers({ members, threshold, ask, stopping }: Asking): Promise<Said[]> {
  const said: Said[] = [];
  if (stopping.aborted) return said;
  const decided = new AbortController();
  const signal = AbortSignal.any([stopping, decided.signal, AbortSignal.timeout(MEMBER_SECONDS * 1000)]);
  const isOver = once(signal, "abort");
  const areEnough = Promise.withResolvers<true>();
  const everybody = Promise.all(
    members.map(async (asked) => {
      const answer = await ask(asked, signal);
      if (answer) said.push({ verifier: asked.verifier, answer });
      if (said.filter((each) => "signature" in each.answer).length >= threshold) areEnough.resolve(true);
    }),
  );
  await Promise.race([areEnough.promise, everybody, isOver]);
  await Promise.race([everybody, isOver, sleep(STRAGGLERS_SECONDS * 1000, undefined, { ref: false })]);
  const inTime = [...said];
  decided.abort();
  return inTime;
}
