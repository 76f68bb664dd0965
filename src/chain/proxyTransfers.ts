import { AbiCoder, id, type Provider, toBeHex, zeroPadValue } from "ethers";
import { proxyAddresses, type ProxyAuthorization, type ProxyScheme } from "#protocol/proxyPayment.ts";
import { searchBlocks } from "./blockRange.ts";

const TRANSFER = id("Transfer(address,address,uint256)");
const settledTopics = [id("Settled()"), id("SettledWithPermit()")];

/** A payment that may have been settled by anybody. */
export interface SearchedPayment {
  scheme: ProxyScheme;
  authorization: ProxyAuthorization;
  /** What the payee was to get, atomic units. */
  amount: bigint;
  /** It cannot be in a block before this one. */
  fromBlock: number;
}

/**
 * The transaction in which an authorization was used by x402's proxy to pay its payee the amount, whoever sent it: its
 * receipt has the transfer and the proxy's event, and its data hold the permit.
 *
 * @returns its hash, or nothing where the authorization has paid nobody
 * @throws OpgError `chain_unavailable`
 */
export async function findProxyTransfer(provider: Provider, searched: SearchedPayment): Promise<string | undefined> {
  const { scheme, authorization, amount, fromBlock } = searched;
  const { from, permitted, witness } = authorization;
  const topics = [TRANSFER, zeroPadValue(from, 32), zeroPadValue(witness.to, 32)];
  const transfers = await searchBlocks(provider, { fromBlock }, (first, last) =>
    provider.getLogs({ address: permitted.token, topics, fromBlock: first, toBlock: last }),
  );
  const paid = transfers.filter(({ data }) => data === toBeHex(amount, 32));
  for (const hash of new Set(paid.map(({ transactionHash }) => transactionHash))) {
    const [transaction, receipt] = await Promise.all([
      provider.getTransaction(hash),
      provider.getTransactionReceipt(hash),
    ]);
    const isByProxy = receipt?.logs.some(
      ({ address, topics: [topic = ""] }) => address === proxyAddresses[scheme] && settledTopics.includes(topic),
    );
    if (isByProxy && transaction?.data.includes(encodedPermit(authorization))) return hash;
  }
  return undefined;
}

/** Token, amount, nonce and deadline stand one after the other in every call that hands the permit on. */
function encodedPermit({ permitted, nonce, deadline }: ProxyAuthorization): string {
  const types = ["address", "uint256", "uint256", "uint256"];
  return AbiCoder.defaultAbiCoder().encode(types, [permitted.token, permitted.amount, nonce, deadline]).slice(2);
}
