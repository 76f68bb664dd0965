import { type BatchesAdapter, divisionOf } from "#chain/batches.ts";
import { checkBatchProof, type BatchProofJson, batchProofJson } from "#protocol/batchProof.ts";
import { OpgError } from "#protocol/errors.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import { policyOf, type Split, splitCharge, type Trail } from "#protocol/settlement.ts";

/** Where in which batch a task was settled, and its share of what that batch divided. */
export interface TaskBatch {
  place: NonNullable<NonNullable<Trail["account"]>["batch"]>;
  payout: string;
  split: Split;
  transactionHash: string;
}

/**
 * Holds a proof against the chain.
 *
 * @returns nothing where the chain does not show the batch now
 * @throws OpgError `facilitator_unavailable` for a proof that proves nothing
 */
export async function findTaskBatch(
  told: BatchProofJson,
  batches: Pick<BatchesAdapter, "settledBatch">,
  network: Network,
  fromBlock: number,
): Promise<TaskBatch | undefined> {
  const proof = batchProofJson.parse(told);
  const checked = checkBatchProof(proof, domainIn(network, "settlement"));
  if (!checked.ok) throw new OpgError("facilitator_unavailable", checked.problem, { batchId: proof.batchId });
  const settled = await batches.settledBatch(proof.batchId, {
    fromBlock: Math.max(fromBlock, network.deploymentBlock),
  });
  if (!settled) return undefined;
  const { receipt, path } = proof;
  return {
    place: { batchId: proof.batchId, receipts: Number(settled.receipts), leaf: checked.leaf, path },
    payout: receipt.payout,
    split: splitCharge(receipt.amount, policyOf(divisionOf(settled))),
    transactionHash: settled.transactionHash,
  };
}
