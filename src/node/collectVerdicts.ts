import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";
import type { CheckedVerdict } from "./askVerifier.ts";

/** How long a decision waits for verifiers that are a little slower than the rest. */
const STRAGGLERS_SECONDS = 1;

/** A verdict that may count, and how many like it make a certificate. */
export interface CountedVerdict extends CheckedVerdict {
  /** Threshold of the verdict's epoch. */
  threshold: number;
}

/**
 * Collects verdicts until a threshold of one epoch agrees or refuses, or nobody is left to answer. Who fails or is slow
 * is missing and stops nobody.
 *
 * @returns the agreeing verdicts of one epoch, at least its threshold, ascending by verifier
 * @throws OpgError `result_refused` with the reasons, or `certificate_incomplete`
 */
export async function collectVerdicts(pending: readonly Promise<CountedVerdict>[]): Promise<CountedVerdict[]> {
  const arrived: CountedVerdict[] = [];
  const decided = Promise.withResolvers<true>();
  const collected = pending.map(async (verdict) => {
    arrived.push(await verdict);
    if ([true, false].some((agrees) => isQuorum(largestGroup(arrived, agrees)))) decided.resolve(true);
  });
  const everybody = Promise.allSettled(collected);
  await Promise.race([decided.promise, everybody]);
  await Promise.race([everybody, sleep(STRAGGLERS_SECONDS * 1000, undefined, { ref: false })]);
  const agreeing = largestGroup(arrived, true);
  if (isQuorum(agreeing)) return agreeing.sort(byVerifier);
  throw undecided(arrived, pending.length);
}

/** Verdicts make a certificate only within one epoch. */
function largestGroup(verdicts: readonly CountedVerdict[], agrees: boolean): CountedVerdict[] {
  const epochs = new Map<number, CountedVerdict[]>();
  for (const counted of verdicts.filter(({ verdict }) => verdict.agrees === agrees)) {
    epochs.set(counted.verdict.epoch, [...(epochs.get(counted.verdict.epoch) ?? []), counted]);
  }
  const groups = [...epochs.values()].sort((a, b) => b.length - a.length);
  return groups.find(isQuorum) ?? groups[0] ?? [];
}

function isQuorum(group: readonly CountedVerdict[]): boolean {
  return group[0] !== undefined && group.length >= group[0].threshold;
}

function undecided(arrived: readonly CountedVerdict[], asked: number): OpgError {
  const refusals = arrived.filter(({ verdict }) => !verdict.agrees);
  const reasons = refusals.map(({ verdict }) => verdict.reason).join(", ");
  const values = { verdicts: arrived.length, refusals: refusals.length, asked, ...(reasons ? { reasons } : {}) };
  if (isQuorum(largestGroup(refusals, false))) {
    const message = `The verifiers refused the result (${reasons}); the payment is refunded.`;
    return new OpgError("result_refused", message, values);
  }
  const message = "Too few verifiers agreed on the result; it cannot be charged and the payment will be refunded.";
  return new OpgError("certificate_incomplete", message, values);
}

function byVerifier(a: CheckedVerdict, b: CheckedVerdict): number {
  return BigInt(a.verdict.verifier) < BigInt(b.verdict.verifier) ? -1 : 1;
}
