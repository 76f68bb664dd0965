import { toQuantity } from "ethers";
import { OpgError } from "#protocol/errors.ts";

/** What a chain answers that has no contract there: at this block not yet. */
const EMPTY = "0x";

/** What takes requests by their method. */
export interface Caller {
  send(method: string, params: unknown[]): Promise<unknown>;
}

/**
 * A call with words that were written by hand, as of one block. ethers' own would take them apart and put them together again,
 * digit by digit and three times over: tens of milliseconds for some hundred payers.
 *
 * @throws OpgError `chain_unavailable`
 */
export async function callAt(caller: Caller, to: string, data: string, blockNumber: number): Promise<string> {
  const answer = await caller.send("eth_call", [{ to, data }, toQuantity(blockNumber)]);
  if (typeof answer === "string" && answer.length > EMPTY.length) return answer;
  throw new OpgError("chain_unavailable", "The chain has no answer for what is asked; try again in a moment.", { to });
}
