import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import {
  type Batch,
  batchLeaf,
  type BatchReceipt,
  creditsDigest,
  debitsDigest,
  type Share,
  sharesOf,
} from "#protocol/batch.ts";
import { fastKeccak } from "./fastKeccak.ts";

/** What follows from a batch's receipts alone. */
export interface BatchContent {
  /** In the order of the receipts. */
  leaves: readonly string[];
  tree: SimpleMerkleTree;
  /** Sums of what is taken, by payer. */
  debits: readonly Share[];
  /** Sums of what is earned before the fees are split off, by payout address. */
  credits: readonly Share[];
}

/** As `rootOfPath` hashes a pair; with buffers that takes a third of the time. The tree hands it nothing but lower-case hex. */
function nodeHash(one: unknown, other: unknown): string {
  const digits = [one, other].map((node) => String(node).slice(2)).sort();
  return `0x${Buffer.from(fastKeccak(Buffer.from(digits.join(""), "hex"))).toString("hex")}`;
}

/** Leaves, tree and sums, as whoever builds a batch and whoever certifies it each make them. */
export function batchContentOf(receipts: readonly BatchReceipt[]): BatchContent {
  const leaves = receipts.map((receipt) => batchLeaf(receipt, fastKeccak));
  return {
    leaves,
    tree: SimpleMerkleTree.of(leaves, { nodeHash }),
    debits: sharesOf(receipts.map(({ payer, amount }) => ({ account: payer, amount }))),
    credits: sharesOf(receipts.map(({ payout, amount }) => ({ account: payout, amount }))),
  };
}

/** The batch that has this content. */
export function batchWith(
  { leaves, tree, debits, credits }: BatchContent,
  place: Pick<Batch, "facilitator" | "previous" | "epoch">,
): Batch {
  const digests = { debits: debitsDigest(debits), credits: creditsDigest(leaves.length, credits) };
  return { ...place, root: tree.root, ...digests };
}
