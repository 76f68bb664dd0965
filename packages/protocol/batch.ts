import { AbiCoder, concat, getBytes, keccak256, toBeHex, TypedDataEncoder } from "ethers";
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
  const types = ["bytes32", "bytes32", "bytes32", "address", "address", "uint256"];
  const encoded = AbiCoder.defaultAbiCoder().encode(types, [salt, taskId, resultHash, payer, payout, amount]);
  return concat([keccak(keccak(getBytes(encoded)))]);
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
