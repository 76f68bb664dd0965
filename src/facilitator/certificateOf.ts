import { Signature } from "ethers";
import type { Certificate } from "#chain/settlement.ts";
import { joinSignatures, type SignedVerdict } from "#protocol/verdict.ts";

/**
 * Joins the stored verdicts about one result, agreeing or refusing, into what Settlement takes. They were checked when
 * they were stored; of several epochs the one with most of them counts, of equals the newest.
 */
export function certificateOf(
  verdicts: readonly SignedVerdict[],
  { resultHash, agrees }: Pick<SignedVerdict, "resultHash" | "agrees">,
): Certificate {
  const matching = verdicts.filter((verdict) => verdict.resultHash === resultHash && verdict.agrees === agrees);
  const byEpoch = Map.groupBy(matching, ({ epoch }) => epoch);
  const [fullest = []] = [...byEpoch.values()].sort(
    (a, b) => b.length - a.length || (b[0]?.epoch ?? 0) - (a[0]?.epoch ?? 0),
  );
  return {
    epoch: BigInt(fullest[0]?.epoch ?? 0),
    mode: fullest[0]?.mode ?? 0,
    signatures: joinSignatures(
      fullest.map(({ verifier, signature }) => ({ signer: verifier, signature: Signature.from(signature).serialized })),
    ),
  };
}
