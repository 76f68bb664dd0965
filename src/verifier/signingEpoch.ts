import type { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { OpgError } from "#protocol/errors.ts";

/**
 * The newest epoch that certificates are accepted of and that `verifier` belongs to: the current one, or in its time of
 * grace the one before it, so that a member who is handed over can finish what is under way.
 *
 * @param now - seconds since 1970
 * @throws OpgError `certificate_incomplete` when there is none
 */
export async function signingEpoch(verifierSet: VerifierSetAdapter, verifier: string, now: number): Promise<bigint> {
  const current = await verifierSet.currentEpoch();
  if (await verifierSet.isMember(current, verifier)) return current;
  const previous = current - 1n;
  if (await verifierSet.isMember(previous, verifier)) {
    const [{ endedAt }, graceSeconds] = await Promise.all([verifierSet.epoch(previous), verifierSet.graceSeconds()]);
    if (now <= endedAt + graceSeconds) return previous;
  }
  throw new OpgError("certificate_incomplete", "This verifier is in no set whose word counts now; ask the members.", {
    verifier,
  });
}
