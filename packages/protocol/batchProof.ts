import { concat, keccak256 } from "ethers";
import { z } from "zod";
import { type Batch, batchIdOf, batchJson, batchLeaf, batchReceiptJson } from "./batch.ts";
import { bytes32 } from "./hex.ts";
import type { Domain } from "./typedData.ts";

/** A tree over all receipts that a batch may have is 14 levels high. */
const MAX_LEVELS = 32;

/** What ties one call to the transaction that settled it: its receipt, the way from its leaf to the root, and the batch. */
export const batchProofJson = z.strictObject({
  batchId: bytes32,
  batch: batchJson,
  receipt: batchReceiptJson,
  /** Siblings from the leaf upwards. */
  path: z.array(bytes32).max(MAX_LEVELS),
  /** The transaction that settled the batch, where its facilitator sent it. */
  transaction: bytes32.nullable(),
});

export type BatchProof = z.output<typeof batchProofJson>;
export type BatchProofJson = z.input<typeof batchProofJson>;

/** What a proof says, where it is one by itself; whether the batch was settled, the chain says. */
export type BatchProofCheck = { ok: true; leaf: string; batchId: string } | { ok: false; problem: string };

/** Root of the tree in which `leaf` has these siblings; a pair is hashed in ascending order, as OpenZeppelin's trees do. */
export function rootOfPath(leaf: string, path: readonly string[]): string {
  return path.reduce((node, sibling) => hashPair(node, sibling), leaf);
}

/** Hash of an inner node: of its two children in ascending order. */
function hashPair(one: string, other: string): string {
  const ascending = one.toLowerCase() < other.toLowerCase() ? [one, other] : [other, one];
  return keccak256(concat(ascending));
}

/**
 * Checks that a receipt is in the batch that a proof names. Nothing is believed of the proof; it takes the chain to tell whether
 * `batchId` was settled.
 *
 * @param settlement - domain of the network's Settlement, not what came with the proof
 */
export function checkBatchProof({ batchId, batch, receipt, path }: BatchProof, settlement: Domain): BatchProofCheck {
  const leaf = batchLeaf(receipt);
  if (rootOfPath(leaf, path) !== batch.root) {
    return { ok: false, problem: "The path does not lead from the receipt's leaf to the batch's root." };
  }
  const id = batchIdOf(batch satisfies Batch, settlement);
  if (id !== batchId)
    return { ok: false, problem: "The batch is not the one that the proof names, or of another chain." };
  return { ok: true, leaf, batchId: id };
}
