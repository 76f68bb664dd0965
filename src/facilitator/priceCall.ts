import { isCallException, type Provider } from "ethers";
import type { Call } from "#chain/call.ts";
import { decodeRevert } from "#chain/decodeRevert.ts";
import { CallReverted } from "#chain/submitCall.ts";
import { OpgError } from "#protocol/errors.ts";

/** State may change until inclusion; what is not used is not paid. */
const GAS_HEADROOM_PERCENT = 130n;

/** Gas and EIP-1559 fees for a call, in wei. */
export interface CallPrice {
  gasLimit: bigint;
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/**
 * Asks the chain what a call would use, and so whether it would go through now. The fee ceiling is ethers' own: twice the
 * newest base fee and the tip, which six full blocks in a row do not exceed.
 *
 * @throws CallReverted when the contract would refuse the call, OpgError `chain_unavailable`
 */
export async function priceCall(provider: Provider, from: string, call: Call): Promise<CallPrice> {
  const [gas, fees] = await Promise.all([
    provider.estimateGas({ ...call, from }).catch((error: unknown) => {
      throw isCallException(error) ? new CallReverted(decodeRevert(error), { cause: error }) : error;
    }),
    provider.getFeeData(),
  ]);
  const { maxFeePerGas, maxPriorityFeePerGas } = fees;
  if (maxFeePerGas === null || maxPriorityFeePerGas === null) {
    throw new OpgError("chain_unavailable", "The chain does not say what a transaction costs; try again in a moment.");
  }
  return { gasLimit: (gas * GAS_HEADROOM_PERCENT) / 100n, maxFeePerGas, maxPriorityFeePerGas };
}
