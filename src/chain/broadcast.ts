import { OpgError } from "#protocol/errors.ts";
import type { RpcProvider } from "./rpcProvider.ts";

/**
 * What an endpoint says to a signed transaction:
 * - `accepted`: it has it, now or since earlier;
 * - `nonce_used`: a block holds one of this nonce, this or another;
 * - `outbid`: it has another one of this nonce, and this one does not pay enough more;
 * - `fee_too_low`: it does not take, or no block would hold, what pays so little;
 * - `no_funds`: the signer cannot pay for it;
 * - `refused`: for a reason that is not known here;
 * - `unanswered`: not known whether it has it.
 */
export type BroadcastOutcome =
  "accepted" | "nonce_used" | "outbid" | "fee_too_low" | "no_funds" | "refused" | "unanswered";

/** As geth, reth, nethermind, besu, erigon and anvil put it; the first that fits counts. */
const meanings: readonly [RegExp, BroadcastOutcome][] = [
  [/already (known|imported|exists)|\bknown transaction/i, "accepted"],
  [/nonce.*(too low|already|used)|old ?nonce/i, "nonce_used"],
  [/replace/i, "outbid"],
  [/insufficient (funds|balance)|balance too low|upfront cost/i, "no_funds"],
  [/underpriced|base ?fee|fee ?cap|(fee|tip|price).*(too low|below|less than|lower)/i, "fee_too_low"],
  [/pool.*full|too many|limit (reached|exceeded)|rate|timeout|timed out/i, "unanswered"],
];

/** Hands a signed transaction to the endpoint, in one call. None of the outcomes says what becomes of it: only blocks do. */
export async function broadcast(provider: RpcProvider, raw: string): Promise<BroadcastOutcome> {
  try {
    await provider.send("eth_sendRawTransaction", [raw]);
    return "accepted";
  } catch (error) {
    if (error instanceof OpgError) return "unanswered";
    const words = wordsOf(error);
    return meanings.find(([pattern]) => pattern.test(words))?.[1] ?? "refused";
  }
}

/** The endpoint's own words; what ethers makes of them stands in for them where they are missing. */
function wordsOf(error: unknown): string {
  const { shortMessage, message, info } = error as { shortMessage?: string; message?: string; info?: unknown };
  const { error: told } = (info ?? {}) as { error?: { message?: string } };
  return told?.message ?? shortMessage ?? message ?? "";
}
