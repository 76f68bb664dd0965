import type { EpochCounts } from "#store/verifierStore.ts";

/** Either the counts may be signed, or what is wrong with them, as a sentence. */
export type CountsCheck = { ok: true } | { ok: false; problem: string };

/**
 * Compares proposed counts with the own records: they must be the same for every member. Who could have one understated by
 * a proposal of somebody else's would only have to ask.
 *
 * @param own - the own records, over all members of the epoch, ascending
 */
export function checkCounts(proposed: EpochCounts, own: EpochCounts): CountsCheck {
  const sameMembers =
    proposed.verifiers.length === own.verifiers.length &&
    proposed.counts.length === own.counts.length &&
    proposed.verifiers.every((member, index) => member === own.verifiers[index]);
  if (!sameMembers)
    return { ok: false, problem: "The counts are not of all members of the epoch, ascending by address." };
  for (const [index, member] of own.verifiers.entries()) {
    const count = proposed.counts[index] ?? 0;
    const seen = own.counts[index] ?? 0;
    if (count !== seen) {
      return { ok: false, problem: `${member} was right ${seen} times by the records here, not ${count} times.` };
    }
  }
  return { ok: true };
}

/** Whether two divisions of one epoch are the same. */
export function areSameCounts(one: EpochCounts, other: EpochCounts): boolean {
  return one.verifiers.join() === other.verifiers.join() && one.counts.join() === other.counts.join();
}
