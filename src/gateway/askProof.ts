import { batchReceiptToJson, batchToJson } from "#protocol/batch.ts";
import { type BatchProof, type BatchProofJson, batchProofJson } from "#protocol/batchProof.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import { httpCall } from "#service/httpCall.ts";
import { facilitatorOf } from "./facilitatorOf.ts";

const TIMEOUT_SECONDS = 10;

/**
 * What its facilitator says of a call's place in the batch that settled it, in the form in which it is passed on.
 *
 * @throws OpgError `unknown_task`, `not_settled_yet`, `nothing_charged`, `facilitator_unavailable`
 */
export async function askProof(network: Network, taskId: string): Promise<BatchProofJson> {
  if (!/^0x[0-9a-fA-F]{64}$/.test(taskId)) {
    throw new OpgError("unknown_task", "A task's id is 0x and 64 hex digits; take it from the answer or the receipt.");
  }
  const { url } = facilitatorOf(network);
  const proof: BatchProof = await httpCall({
    method: "GET",
    url: new URL(`/tasks/${taskId.toLowerCase()}/proof`, url).href,
    answer: batchProofJson,
    timeoutSeconds: TIMEOUT_SECONDS,
    unavailable: "facilitator_unavailable",
  });
  const { batch, receipt } = proof;
  return { ...proof, batch: batchToJson(batch), receipt: batchReceiptToJson(receipt) };
}
