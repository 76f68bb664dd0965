import { getBytes, hexlify, Signature, Transaction, type Wallet } from "ethers";
import secp256k1 from "secp256k1";
import type { Call } from "./call.ts";
import type { Fees } from "./feeQuote.ts";

/** What a transfer without data uses. */
const EMPTY_GAS = 21_000n;

/** A transaction as everybody may see it. */
export interface SignedTransaction {
  hash: string;
  /** Serialized, with its signature. */
  raw: string;
}

/** What a call needs to become a transaction. */
export interface TransactionTerms {
  chainId: bigint;
  nonce: number;
  gasLimit: bigint;
  fees: Fees;
}

/** Signs a call as an EIP-1559 transaction; natively, because a thousand may wait for it. */
export function signTransaction(wallet: Wallet, call: Call, terms: TransactionTerms): SignedTransaction {
  const { to, data, value = 0n } = call;
  const { chainId, nonce, gasLimit, fees } = terms;
  const transaction = Transaction.from({ type: 2, chainId, nonce, to, data, value, gasLimit, ...fees });
  const { signature, recid } = secp256k1.ecdsaSign(getBytes(transaction.unsignedHash), getBytes(wallet.privateKey));
  const [r, s] = [hexlify(signature.subarray(0, 32)), hexlify(signature.subarray(32))];
  transaction.signature = Signature.from({ r, s, yParity: recid === 1 ? 1 : 0 });
  if (transaction.hash === null) throw new Error("a signed transaction has a hash");
  return { hash: transaction.hash, raw: transaction.serialized };
}

/** The same call at the same nonce for other fees. */
export function signAgain(wallet: Wallet, raw: string, fees: Fees): SignedTransaction {
  const { to, data, value, chainId, nonce, gasLimit } = Transaction.from(raw);
  if (to === null) throw new Error("a call goes to somebody");
  return signTransaction(wallet, { to, data, value }, { chainId, nonce, gasLimit, fees });
}

/** Nothing, sent to oneself: it takes the place of the transaction that has this nonce. */
export function signEmpty(wallet: Wallet, raw: string, fees: Fees): SignedTransaction {
  const { chainId, nonce } = Transaction.from(raw);
  const call = { to: wallet.address, data: "0x" };
  return signTransaction(wallet, call, { chainId, nonce, gasLimit: EMPTY_GAS, fees });
}

/** Whether a signed transaction does nothing. */
export function isEmpty(raw: string): boolean {
  return Transaction.from(raw).data === "0x";
}

/** The fees that a signed transaction offers. */
export function feesOf(raw: string): Fees {
  const { maxFeePerGas, maxPriorityFeePerGas } = Transaction.from(raw);
  return { maxFeePerGas: maxFeePerGas ?? 0n, maxPriorityFeePerGas: maxPriorityFeePerGas ?? 0n };
}
