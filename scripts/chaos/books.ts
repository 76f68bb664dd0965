import { id, type Provider, toBeHex, zeroPadValue } from "ethers";
import type { Pool } from "pg";
import type { Network } from "#protocol/network.ts";
import type { MerchantPayment } from "./merchantPayment.ts";

const TRANSFER = id("Transfer(address,address,uint256)");

/** What the facilitator's database says of a payment. */
export interface PaymentBook {
  /** Absent where the payment was never claimed. */
  state?: string;
  /** Why it failed. */
  reason?: string;
  /** Hash of what paid it. */
  transaction?: string;
  /** Whether something is still owed under it. */
  isExposed: boolean;
  /** Its transactions whose end is not known. */
  onTheirWay: number;
}

/** Money that moved under a payment's nonce. */
export interface Movement {
  to: string;
  amount: bigint;
  transaction: string;
}

interface Row {
  digest: string;
  state: string | null;
  answer: { errorReason?: string; transaction?: string } | null;
  exposed: boolean;
  on_their_way: string;
}

/** Reads the books, by queries of our own: what the facilitator believes of itself is not asked for. */
export async function readBooks(pool: Pool, payments: readonly MerchantPayment[]): Promise<Map<string, PaymentBook>> {
  const { rows } = await pool.query<Row>(
    `select asked.digest, payments.state, payments.answer,
      exists (select from claims where claims.holder = asked.digest and claims.exposed) as exposed,
      (select count(*) from transactions where transactions.subject = asked.digest and status = 'sent') as on_their_way
    from unnest($1::text[]) as asked(digest) left join payments on payments.digest = asked.digest`,
    [payments.map(({ digest }) => digest)],
  );
  return new Map(rows.map((row) => [row.digest, bookOf(row)]));
}

function bookOf({ state, answer, exposed, on_their_way }: Row): PaymentBook {
  return {
    ...(state === null ? {} : { state }),
    ...(answer?.errorReason === undefined ? {} : { reason: answer.errorReason }),
    ...(answer?.transaction ? { transaction: answer.transaction } : {}),
    isExposed: exposed,
    onTheirWay: Number(on_their_way),
  };
}

/** Finds on chain what moved of the payers' money, by the nonces that the calls carry. */
export async function readMovements(
  { contracts }: Network,
  chain: Provider,
  payments: readonly MerchantPayment[],
  fromBlock: number,
): Promise<Map<string, Movement[]>> {
  const payers = [...new Set(payments.map(({ payer }) => zeroPadValue(payer, 32)))];
  const logs = await chain.getLogs({ address: contracts.opg, topics: [TRANSFER, payers], fromBlock });
  const found = new Map<string, Movement[]>(payments.map(({ digest }) => [digest, []]));
  for (const { topics, data, transactionHash } of logs) {
    const call = (await chain.getTransaction(transactionHash))?.data ?? "";
    const payment = payments.find(({ nonce }) => call.includes(toBeHex(nonce, 32).slice(2)));
    if (!payment) throw new Error(`${transactionHash} moves a payer's money under none of its payments`);
    const to = `0x${topics[2]?.slice(26) ?? ""}`;
    found.get(payment.digest)?.push({ to, amount: BigInt(data), transaction: transactionHash });
  }
  return found;
}
