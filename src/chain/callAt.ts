import { toQuantity } from "ethers";

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
  return String(await caller.send("eth_call", [{ to, data }, toQuantity(blockNumber)]));
}
