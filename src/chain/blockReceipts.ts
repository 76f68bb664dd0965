import { isError, toQuantity } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { HeadBlock } from "./chainHead.ts";
import type { RpcProvider } from "./rpcProvider.ts";

/** How a transaction went, and in which block. */
export interface Receipt {
  hash: string;
  status: "included" | "reverted";
  blockNumber: number;
  blockHash: string;
  gasUsed: bigint;
}

interface WireReceipt {
  transactionHash: string;
  blockHash: string;
  blockNumber: string;
  gasUsed: string;
  status: string;
}

/** Endpoints that do not know `eth_getBlockReceipts`; they are asked once. */
const withoutBlockReceipts = new WeakSet<RpcProvider>();

/**
 * Receipts of some of a block's transactions: in one call, or, where the endpoint cannot do that, one by one.
 *
 * @throws OpgError `chain_unavailable`, also where the endpoint shows another block in its place by now
 */
export async function readBlockReceipts(
  provider: RpcProvider,
  block: Pick<HeadBlock, "number" | "hash">,
  hashes: readonly string[],
): Promise<Receipt[]> {
  const all = hashes.length === 1 ? undefined : await receiptsOf(provider, block.number);
  const receipts = all ?? (await Promise.all(hashes.map((hash) => readReceipt(provider, hash))));
  const wanted = new Set(hashes);
  const found = receipts.filter(
    (receipt): receipt is Receipt => receipt?.blockHash === block.hash && wanted.has(receipt.hash),
  );
  if (found.length === wanted.size) return found;
  const words = "The chain does not show the receipts of a block yet; try again in a moment.";
  throw new OpgError("chain_unavailable", words, { block: block.number });
}

/** The receipt of a transaction, as the endpoint has it: it may be of a block that the chain has replaced. */
export async function readReceipt(provider: RpcProvider, hash: string): Promise<Receipt | undefined> {
  const receipt = (await provider.send("eth_getTransactionReceipt", [hash])) as WireReceipt | null;
  return receipt ? read(receipt) : undefined;
}

async function receiptsOf(provider: RpcProvider, number: number): Promise<Receipt[] | undefined> {
  if (withoutBlockReceipts.has(provider)) return undefined;
  try {
    const receipts = (await provider.send("eth_getBlockReceipts", [toQuantity(number)])) as WireReceipt[] | null;
    return receipts?.map(read) ?? [];
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    withoutBlockReceipts.add(provider);
    return undefined;
  }
}

function read({ transactionHash: hash, status, blockNumber, blockHash, gasUsed }: WireReceipt): Receipt {
  const outcome = status === "0x1" ? "included" : "reverted";
  return { hash, status: outcome, blockNumber: Number(blockNumber), blockHash, gasUsed: BigInt(gasUsed) };
}

const METHOD_NOT_FOUND = -32601;
/** A block that is not found is not a method that is not there. */
const namesMethod =
  /(method|eth_getBlockReceipts).*(not|unsupported|unknown)|(unsupported|unknown).*(method|eth_getBlockReceipts)/i;

/** As the endpoint itself says it: an unknown method is a fault of the endpoint's to our provider, like any other. */
function isUnsupported(thrown: unknown): boolean {
  if (isError(thrown, "UNSUPPORTED_OPERATION")) return true;
  const { error, info, cause } = (thrown ?? {}) as { error?: Told; info?: { error?: Told }; cause?: unknown };
  const told = error ?? info?.error;
  if (told?.code === METHOD_NOT_FOUND || namesMethod.test(told?.message ?? "")) return true;
  return cause !== undefined && isUnsupported(cause);
}

/** What an endpoint answers instead of a result. */
interface Told {
  code?: number;
  message?: string;
}
