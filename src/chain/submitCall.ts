import type { Signer, TransactionReceipt } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { Call } from "./call.ts";
import { decodeRevert, isRevert, type Revert } from "./decodeRevert.ts";

const INCLUSION_TIMEOUT_MS = 120_000;
const POLL_MS = 250;

/** A contract refused the call; nothing of it took effect. */
export class CallReverted extends Error {
  /** Absent where the contract gave no reason that is known here. */
  readonly revert: Revert | undefined;

  constructor(revert: Revert | undefined, options?: ErrorOptions) {
    super(`The contract refuses the call: ${revert?.words ?? "no known reason"}.`, options);
    this.name = "CallReverted";
    this.revert = revert;
  }
}

/**
 * Sends a call from `signer` and waits until a block holds it. For people and operators; a facilitator signs, stores and
 * broadcasts by itself.
 *
 * @throws CallReverted when the contract refuses it, OpgError `chain_unavailable` or `timeout`
 */
export async function submitCall(signer: Signer, call: Call): Promise<TransactionReceipt> {
  const { provider } = signer;
  if (!provider) throw new OpgError("configuration", "The signer has no chain to send to; connect it to a provider.");
  const hash = await signer.sendTransaction(call).then((sent) => sent.hash, refused);
  const lastTry = Date.now() + INCLUSION_TIMEOUT_MS;
  let receipt = await provider.getTransactionReceipt(hash);
  while (!receipt) {
    if (Date.now() > lastTry)
      throw new OpgError("timeout", `Transaction ${hash} is not in a block yet; look again later.`, { hash });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    receipt = await provider.getTransactionReceipt(hash);
  }
  if (receipt.status === 1) return receipt;
  const from = await signer.getAddress();
  await provider.call({ ...call, from, blockTag: receipt.blockNumber }).catch(refused);
  throw new CallReverted(undefined);
}

function refused(error: unknown): never {
  if (isRevert(error)) throw new CallReverted(decodeRevert(error), { cause: error });
  throw error;
}
