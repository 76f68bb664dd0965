import type { ChainHead } from "#chain/chainHead.ts";
import type { VerifierSetAdapter } from "#chain/verifierSet.ts";
import type { SetDependencies } from "#facilitator/acceptedEpochs.ts";

/**
 * The verifier set as of the newest block that was seen: whatever is asked is read once for each block, however many calls ask.
 * What fails is asked again.
 */
export function rememberedSet(
  head: Pick<ChainHead, "newest">,
  set: Pick<VerifierSetAdapter, "currentEpoch" | "epoch" | "graceSeconds" | "isMember">,
): SetDependencies {
  let hash = "";
  const known = new Map<string, Promise<unknown>>();
  const once = <Value>(name: string, read: () => Promise<Value>): Promise<Value> => {
    if (hash !== head.newest.hash) known.clear();
    hash = head.newest.hash;
    const value = (known.get(name) as Promise<Value> | undefined) ?? read();
    known.set(name, value);
    value.catch(() => known.delete(name));
    return value;
  };
  return {
    verifierSet: {
      currentEpoch: () => once("current", () => set.currentEpoch()),
      epoch: (epoch) => once(`epoch ${epoch}`, () => set.epoch(epoch)),
      graceSeconds: () => once("grace", () => set.graceSeconds()),
      isMember: (epoch, verifier) => once(`${epoch} ${verifier}`, () => set.isMember(epoch, verifier)),
    },
    provider: { getBlock: () => Promise.resolve(head.newest) },
  };
}
