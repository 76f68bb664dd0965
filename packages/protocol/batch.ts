import { concat, getBytes, hexlify, keccak256, toBeHex, TypedDataEncoder } from "ethers";
import { z } from "zod";
import { address, bytes32, uint } from "./hex.ts";
import { type Keccak, portableKeccak } from "./structHash.ts";
import { type Domain, settlementDomain, typesOf } from "./typedData.ts";

/** What a quorum signs for a facilitator: many receipts at once, as sums per payer and per payee. */
export interface Batch {
  facilitator: string;
  /** Id of the facilitator's batch before this one, zero for its first. */
  previous: string;
  /** Root of the tree over the receipts' leaves. */
  root: string;
  /** See {@link debitsDigest}. */
  debits: string;
  /** See {@link creditsDigest}. */
  credits: string;
  epoch: bigint;
}

/** What one account takes part with: the sum of one payer's charges, or of one payee's. */
export interface Share {
  account: string;
  /** Atomic units, below 2^96. */
  amount: bigint;
}

/** What a leaf of a batch says: that this task was charged so much, for whom. */
export interface BatchReceipt {
  /** 32 random bytes, so that nobody can guess leaves. */
  salt: string;
  taskId: string;
  resultHash: string;
  payer: string;
  payout: string;
  /** The whole charge, atomic units. */
  amount: bigint;
}

/** Wire shape of {@link BatchReceipt}. */
export const batchReceiptJson = z.strictObject({
  salt: bytes32,
  taskId: bytes32,
  resultHash: bytes32,
  payer: address,
  payout: address,
  amount: uint(96),
});

/** Wire shape of {@link Batch}. */
export const batchJson = z.strictObject({
  facilitator: address,
  previous: bytes32,
  root: bytes32,
  debits: bytes32,
  credits: bytes32,
  epoch: uint(64),
});

/** Writes a batch for the wire. */
export function batchToJson(batch: Batch): z.input<typeof batchJson> {
  return { ...batch, epoch: batch.epoch.toString() };
}

/** Writes a receipt for the wire. */
export function batchReceiptToJson(receipt: BatchReceipt): z.input<typeof batchReceiptJson> {
  return { ...receipt, amount: receipt.amount.toString() };
}

/** What verifiers sign. */
export function batchTypedData(batch: Batch, settlement: Domain) {
  return { domain: settlementDomain(settlement), types: typesOf("Batch"), value: { ...batch } };
}

/** A batch's identity: its EIP-712 digest in Settlement's domain. */
export function batchIdOf(batch: Batch, settlement: Domain): string {
  return TypedDataEncoder.hash(settlementDomain(settlement), typesOf("Batch"), { ...batch });
}

/** `keccak256` over one word `payer << 96 | amount` per payer; payers ascend. */
export function debitsDigest(debits: readonly Share[]): string {
  return keccak256(concat(debits.map(shareWord)));
}

/** `keccak256` over the number of receipts as a word, then one word `payee << 96 | amount` per payee; payees ascend. */
export function creditsDigest(receipts: number, credits: readonly Share[]): string {
  return keccak256(concat([toBeHex(receipts, 32), ...credits.map(shareWord)]));
}

/**
 * Leaf of a receipt, hashed twice as OpenZeppelin's trees do so that no inner node passes for one:
 * `keccak256(keccak256(abi.encode(salt, taskId, resultHash, payer, payout, amount)))`.
 *
 * @param keccak - where a faster one than ethers' is at hand
 */
export function batchLeaf(receipt: BatchReceipt, keccak: Keccak = portableKeccak): string {
  const { salt, taskId, resultHash, payer, payout, amount } = receipt;
  const words = [salt, taskId, resultHash, wordOfAddress(payer), wordOfAddress(payout), toBeHex(amount, 32)];
  if (words.some((word) => word.length !== WORD)) throw new RangeError("a field of the receipt has not its length");
  return hexlify(keccak(keccak(getBytes(`0x${words.map((word) => word.slice(2)).join("")}`))));
}

/** Digits of 32 bytes as hex. */
const WORD = 2 + 2 * 32;

function wordOfAddress(address: string): string {
  return `0x${address.slice(2).padStart(WORD - 2, "0")}`;
}

/** Sums of charges by account, ascending by account; no account twice, none with nothing. */
export function sharesOf(charges: readonly { account: string; amount: bigint }[]): Share[] {
  const sums = new Map<string, bigint>();
  for (const { account, amount } of charges) sums.set(account, (sums.get(account) ?? 0n) + amount);
  return [...sums]
    .filter(([, amount]) => amount > 0n)
    .map(([account, amount]) => ({ account, amount }))
    .sort((one, other) => (BigInt(one.account) < BigInt(other.account) ? -1 : 1));
}

/** `account << 96 | amount`, 32 bytes. */
export function shareWord({ account, amount }: Share): string {
  return toBeHex((BigInt(account) << 96n) | amount, 32);
}
