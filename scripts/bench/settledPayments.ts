import { getAddress, id, type Provider, zeroPadValue } from "ethers";
import type pg from "pg";
import { type ProxyAuthorization, proxyPaymentDigest, proxyPayloadJson } from "#protocol/proxyPayment.ts";
import type { ToldEnd } from "./settleLoad.ts";

const TRANSFER = id("Transfer(address,address,uint256)");

/** A payment that was to be settled, by what its payer signed. */
export interface SubmittedPayment {
  digest: string;
  authorization: ProxyAuthorization;
}

/** Reads what a body of `/settle` pays. */
export function submittedPayment(body: string, chainId: number): SubmittedPayment {
  const { paymentPayload } = JSON.parse(body) as { paymentPayload: { payload: unknown } };
  const { permit2Authorization: authorization } = proxyPayloadJson.upto.parse(paymentPayload.payload);
  return { digest: proxyPaymentDigest("upto", authorization, BigInt(chainId)), authorization };
}

/** A transfer that a block holds. */
export interface Transfer {
  payer: string;
  amount: bigint;
  transaction: string;
}

/** All that a payee was ever paid. */
export async function transfersTo(provider: Provider, token: string, payee: string): Promise<Transfer[]> {
  const topics = [TRANSFER, null, zeroPadValue(payee, 32)];
  const logs = await provider.getLogs({ address: token, topics, fromBlock: 0 });
  return logs.map(({ topics: [, from = ""], data, transactionHash }) => {
    return { payer: getAddress(`0x${from.slice(-40)}`), amount: BigInt(data), transaction: transactionHash };
  });
}

/**
 * Makes sure that what was told, what the database holds and what the chain holds are the same, payment by payment.
 *
 * @throws Error that names the first difference
 */
export async function requireSameBooks(
  payments: readonly SubmittedPayment[],
  told: readonly ToldEnd[],
  transfers: readonly Transfer[],
  database: pg.Pool,
): Promise<void> {
  const digests = payments.map(({ digest }) => digest);
  const query = `select digest, state, answer->>'transaction' as transaction from payments where digest = any($1)`;
  const { rows } = await database.query<{ digest: string; state: string; transaction: string }>(query, [digests]);
  const stored = new Map(rows.map((row) => [row.digest, row]));
  const unclaimed = new Map(transfers.map((transfer) => [transfer.transaction, transfer]));
  if (unclaimed.size !== transfers.length) throw new Error("One transaction has paid twice.");
  for (const [index, { digest, authorization }] of payments.entries()) {
    const { success = false, transaction = "" } = told[index] ?? {};
    const books = stored.get(digest);
    if ((books?.state === "settled") !== success || (success && books?.transaction !== transaction)) {
      throw new Error(`Payment ${digest} was told to be ${success ? "settled" : "failed"}, but is ${books?.state}.`);
    }
    if (!success) continue;
    const transfer = unclaimed.get(transaction);
    const { from, permitted } = authorization;
    if (transfer?.payer !== from || transfer.amount !== permitted.amount) {
      throw new Error(`Payment ${digest} counts as settled by ${transaction}, which did not pay it.`);
    }
    unclaimed.delete(transaction);
  }
  if (unclaimed.size > 0) throw new Error(`${unclaimed.size} transfers paid what does not count as settled.`);
}
