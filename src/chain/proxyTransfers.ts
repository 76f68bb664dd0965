import { id, type Provider, toBeHex, type TransactionResponse, zeroPadValue } from "ethers";
import type { ProxyAuthorization, ProxyScheme } from "#protocol/proxyPayment.ts";
import { searchBlocks } from "./blockRange.ts";
import { isProxySettlement } from "./x402Proxy.ts";

const TRANSFER = id("Transfer(address,address,uint256)");

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
  /** Whether the payee got the amount from the payer at all, in whatever way. */
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
  const transactions = await Promise.all(hashes.map((hash) => provider.getTransaction(hash)));
  const isSettlement = (transaction: TransactionResponse | null): boolean =>
    transaction !== null && isProxySettlement(scheme, authorization, amount, transaction);
  const hash = transactions.find(isSettlement)?.hash;
  const blockNumber = paid.find(({ transactionHash }) => transactionHash === hash)?.blockNumber;
  const settlement = hash === undefined || blockNumber === undefined ? undefined : { hash, blockNumber };
  return { settlement, isPaidSomehow: hashes.length > 0 };
}
