import { id, type Provider, toBeHex, zeroPadValue } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { ProxyAuthorization, ProxyScheme } from "#protocol/proxyPayment.ts";
import { searchBlocks } from "./blockRange.ts";
import { isProxySettlement, isSettlementOfAnother } from "./x402Proxy.ts";

const TRANSFER = id("Transfer(address,address,uint256)");

/** Calls that were read, by transaction: a hash never stands for another one, and the same search may come every two seconds. */
const readCalls = new Map<string, ProxyCall>();
const MAX_READ_CALLS = 5_000;

type ProxyCall = { to: string | null; data: string };

/** A payment that may have been settled by anybody. */
export interface SearchedPayment {
  scheme: ProxyScheme;
  authorization: ProxyAuthorization;
  /** What the payee was to get, atomic units. */
  amount: bigint;
  /** It cannot be in a block before this one. */
  fromBlock: number;
}

/** What the chain has of a payment that we did not settle ourselves. */
export interface FoundTransfers {
  /** The call by which exactly this authorization paid exactly this amount, and the block that holds it. */
  settlement: { hash: string; blockNumber: number } | undefined;
  /** Whether the payee got the amount from the payer at all, in whatever way but by another authorization. */
  isPaidSomehow: boolean;
}

/**
 * Looks for the transaction in which an authorization was used by x402's proxy to pay its payee the amount, whoever sent it.
 * Its call says which authorization it was, so one transaction never counts for two payments.
 *
 * @throws OpgError `chain_unavailable`
 */
export async function findProxyTransfers(provider: Provider, searched: SearchedPayment): Promise<FoundTransfers> {
  const { scheme, authorization, amount, fromBlock } = searched;
  const { from, permitted, witness } = authorization;
  const topics = [TRANSFER, zeroPadValue(from, 32), zeroPadValue(witness.to, 32)];
  const transfers = await searchBlocks(provider, { fromBlock }, (first, last) =>
    provider.getLogs({ address: permitted.token, topics, fromBlock: first, toBlock: last }),
  );
  const paid = transfers.filter(({ data }) => data === toBeHex(amount, 32));
  const hashes = [...new Set(paid.map(({ transactionHash }) => transactionHash))];
  const calls = await Promise.all(hashes.map((hash) => readCall(provider, hash)));
  const hash = hashes[calls.findIndex((call) => isProxySettlement(scheme, authorization, amount, call))];
  const blockNumber = paid.find(({ transactionHash }) => transactionHash === hash)?.blockNumber;
  const settlement = hash === undefined || blockNumber === undefined ? undefined : { hash, blockNumber };
  const isPaidSomehow = calls.some((call) => !isSettlementOfAnother(authorization, call));
  return { settlement, isPaidSomehow };
}

async function readCall(provider: Provider, hash: string): Promise<ProxyCall> {
  const known = readCalls.get(hash);
  if (known) return known;
  const transaction = await provider.getTransaction(hash);
  if (!transaction) {
    const words = "The chain shows a transfer and not its transaction; try again in a moment.";
    throw new OpgError("chain_unavailable", words, { hash });
  }
  const call = { to: transaction.to, data: transaction.data };
  readCalls.set(hash, call);
  const [oldest] = readCalls.keys();
  if (readCalls.size > MAX_READ_CALLS && oldest !== undefined) readCalls.delete(oldest);
  return call;
}
