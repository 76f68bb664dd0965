import type { VerifierSetAdapter } from "#chain/verifierSet.ts";
import type { SignedVerdict } from "#protocol/verdict.ts";
import { chainTime, type NewestBlock } from "./chainTime.ts";

/** An epoch whose certificates the contracts take now. */
export interface AcceptedEpoch {
  epoch: number;
  threshold: number;
}

/** Who says which epochs there are. */
export interface SetDependencies {
  verifierSet: Pick<VerifierSetAdapter, "currentEpoch" | "epoch" | "graceSeconds" | "isMember">;
  provider: NewestBlock;
}

/** The current epoch, then the one before it while its grace period lasts. @throws OpgError `chain_unavailable` */
export async function acceptedEpochs({ verifierSet, provider }: SetDependencies): Promise<AcceptedEpoch[]> {
  const current = await verifierSet.currentEpoch();
  const accepted = [{ epoch: Number(current), threshold: (await verifierSet.epoch(current)).threshold }];
  if (current <= 1n) return accepted;
  const [previous, graceSeconds, now] = await Promise.all([
    verifierSet.epoch(current - 1n),
    verifierSet.graceSeconds(),
    chainTime(provider),
  ]);
  if (now <= previous.endedAt + graceSeconds) {
    accepted.push({ epoch: Number(current) - 1, threshold: previous.threshold });
  }
  return accepted;
}

/** Those of `verdicts` that members of `epoch` gave in it, one per member. */
export async function verdictsOfMembers(
  { verifierSet }: Pick<SetDependencies, "verifierSet">,
  verdicts: readonly SignedVerdict[],
  epoch: number,
): Promise<SignedVerdict[]> {
  const ofEpoch = new Map(
    verdicts.filter((verdict) => verdict.epoch === epoch).map((verdict) => [verdict.verifier, verdict]),
  );
  const checked = await Promise.all(
    [...ofEpoch.values()].map(async (verdict) => ({
      verdict,
      isMember: await verifierSet.isMember(BigInt(epoch), verdict.verifier),
    })),
  );
  return checked.filter(({ isMember }) => isMember).map(({ verdict }) => verdict);
}
