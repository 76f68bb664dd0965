import type { EpochCounts } from "#store/verifierStore.ts";

/** Either the counts may be signed, or what is wrong with them, as a sentence. */
export type CountsCheck = { ok: true } | { ok: false; problem: string };

/**
 * Compares proposed counts with the own records: the own share may not be understated, nobody else's may exceed what was
 * seen, and nobody can have been right more often than there were paid results.
 *
 * @param own - the own records, over all members of the epoch, ascending
 * @param verifier - whose records they are
 */
export function checkCounts(
  proposed: EpochCounts,
  own: EpochCounts,
  verifier: string,
  settledResults: number,
): CountsCheck {
  const sameMembers =
    proposed.verifiers.length === own.verifiers.length &&
    proposed.counts.length === own.counts.length &&
    proposed.verifiers.every((member, index) => member === own.verifiers[index]);
  if (!sameMembers)
    return { ok: false, problem: "The counts are not of all members of the epoch, ascending by address." };
  for (const [index, member] of own.verifiers.entries()) {
    const count = proposed.counts[index] ?? 0;
    const seen = own.counts[index] ?? 0;
    if (count > settledResults) {
      return {
        ok: false,
        problem: `${member} cannot have been right ${count} times with ${settledResults} paid results.`,
      };
    }
    if (member === verifier && count < seen) {
      return { ok: false, problem: `${member} was right ${seen} times by its own records, not ${count} times.` };
    }
    if (member !== verifier && count > seen) {
      return { ok: false, problem: `${member} was seen to be right ${seen} times, not ${count} times.` };
    }
  }
  return { ok: true };
}

/** Whether two divisions of one epoch are the same. */
export function areSameCounts(one: EpochCounts, other: EpochCounts): boolean {
  return one.verifiers.join() === other.verifiers.join() && one.counts.join() === other.counts.join();
}
