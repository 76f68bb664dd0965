import { isCallException, type Provider } from "ethers";
import type { Call } from "#chain/call.ts";
import { decodeRevert } from "#chain/decodeRevert.ts";
import { CallReverted } from "#chain/submitCall.ts";

/** State may change until inclusion; what is not used is not paid. */
const GAS_HEADROOM_PERCENT = 130n;

/**
 * Asks the chain what a call would use, and so whether it would go through now.
 *
 * @returns a limit with some room, at most the call's own: what an endpoint says does not lift that
 * @throws CallReverted when the contract would refuse the call, OpgError `chain_unavailable`
 */
export async function estimateGas(provider: Provider, from: string, call: Call): Promise<bigint> {
  const gas = await provider.estimateGas({ ...call, from }).catch((error: unknown) => {
    throw isCallException(error) ? new CallReverted(decodeRevert(error), { cause: error }) : error;
  });
  const limit = (gas * GAS_HEADROOM_PERCENT) / 100n;
  return call.gasLimit !== undefined && call.gasLimit < limit ? call.gasLimit : limit;
}
