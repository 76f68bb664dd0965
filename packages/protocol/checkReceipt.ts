import { OpgError } from "./errors.ts";
import type { InferAnswer, Receipt } from "./inferAnswer.ts";
import { meterCharge, streamCharge } from "./meter.ts";
import type { ModelListing } from "./model.ts";
import { domainIn, type Network } from "./network.ts";
import { responseDigest, resultHashOf, resultTypedData, type SignedResult } from "./result.ts";
import { stepsOf } from "./steps.ts";
import { releaseTypedData, type Task, taskIdOf } from "./task.ts";
import { type NamedTensors, tensorBytes, tensorsDigest } from "./tensors.ts";
import { isSignedBy } from "./signedDocument.ts";
import { type SignedVerdict, verdictTypedData } from "./verdict.ts";

/** What the payer, or a gateway in between, knows by itself about the answer that was paid for. */
export interface PaidRequest {
  network: Network;
  /** Price, outputs in the order of the graph, and whether they come step by step. */
  listing: Pick<ModelListing, "meter" | "outputs" | "streams">;
  salt: string;
  inputs: NamedTensors;
  /** The task that was paid for. */
  task: Task;
  /** Digest that the payer signed: `paymentDigestOf` or `proxyPaymentDigest`. */
  paymentDigest: string;
  /** Where the node's share goes by the registry; not compared where left out. */
  payout?: string | undefined;
}

/**
 * Checks that an answer is what was paid for: released by a facilitator of the network, signed by the very node that the
 * payer signed for, over these outputs and the price that the meter gives, and repeated by most of the verifiers.
 *
 * @throws OpgError `invalid_receipt` naming the part that does not hold
 */
export function checkReceipt(answer: InferAnswer, outputs: NamedTensors, paid: PaidRequest): void {
  const { network, task } = paid;
  const { receipt } = answer;
  const taskId = taskIdOf(task, domainIn(network, "taskEscrow"));
  require(answer.taskId === taskId &&
    taskIdOf(receipt.task, domainIn(network, "taskEscrow")) === taskId, "task", taskId);
  require(isReleased(receipt, taskId, paid), "release", taskId);
  checkSignedOutputs(receipt, outputs, paid);
  require(isCertified(receipt, task, network), "verdicts", taskId);
}

/**
 * Checks that the task's node signed for these outputs, whole or the first steps of a stream, and for what the meter gives.
 *
 * @throws OpgError `invalid_receipt` naming the part that does not hold
 */
export function checkSignedOutputs(
  { result, nodeSignature }: SignedResult,
  outputs: NamedTensors,
  paid: Omit<PaidRequest, "paymentDigest">,
): void {
  const { network, task, payout = result.payout } = paid;
  const taskId = taskIdOf(task, domainIn(network, "taskEscrow"));
  require(result.taskId === taskId, "result.taskId", taskId);
  require(result.response === digestOf(outputs, paid), "result.response", taskId);
  require(result.amount === chargeOf(outputs, paid) && result.amount <= task.maxAmount, "result.amount", taskId);
  require(result.completedAt <= task.deadline, "result.completedAt", taskId);
  const document = resultTypedData(result, domainIn(network, "settlement"));
  require(isSignedBy(task.node, document, nodeSignature), "nodeSignature", taskId);
  require(result.payout === payout, "result.payout", taskId);
}

function isReleased({ release }: Receipt, taskId: string, { network, paymentDigest }: PaidRequest): boolean {
  const taskEscrow = domainIn(network, "taskEscrow");
  return (
    release.taskId === taskId &&
    release.paymentDigest === paymentDigest &&
    network.facilitators.some(({ address }) => address === release.facilitator) &&
    isSignedBy(release.facilitator, releaseTypedData(release, taskEscrow), release.signature)
  );
}

function digestOf(outputs: NamedTensors, { listing, salt }: Pick<PaidRequest, "listing" | "salt">): string | undefined {
  const order = listing.outputs.map(({ name }) => name);
  try {
    return responseDigest(salt, tensorsDigest(order, outputs));
  } catch {
    return undefined;
  }
}

function chargeOf(
  outputs: NamedTensors,
  { listing, inputs }: Pick<PaidRequest, "listing" | "inputs">,
): bigint | undefined {
  const { meter, streams } = listing;
  const bytes = [tensorBytes(inputs), tensorBytes(outputs)] as const;
  try {
    return streams ? streamCharge(meter, ...bytes, stepsOf(outputs)) : meterCharge(meter, ...bytes);
  } catch {
    return undefined;
  }
}

/** Every verdict agrees, each by another verifier, none by the node itself, and more than half of the set spoke. */
function isCertified({ result, verdicts }: Receipt, task: Task, network: Network): boolean {
  const settlement = domainIn(network, "settlement");
  const resultHash = resultHashOf(result, settlement);
  const members = new Set(network.verifiers.map(({ address }) => address));
  const isValid = (verdict: SignedVerdict): boolean =>
    verdict.agrees &&
    verdict.resultHash === resultHash &&
    verdict.mode === task.policy &&
    members.has(verdict.verifier) &&
    verdict.verifier !== task.node &&
    isSignedBy(
      verdict.verifier,
      verdictTypedData({ ...verdict, epoch: BigInt(verdict.epoch) }, settlement),
      verdict.signature,
    );
  const agreeing = new Set(verdicts.filter(isValid).map(({ verifier }) => verifier));
  return agreeing.size * 2 > members.size;
}

function require(holds: boolean, part: string, taskId: string): void {
  if (holds) return;
  const message = `The receipt does not hold ("${part}"): do not use the outputs, and look at the task's trail before you pay here again.`;
  throw new OpgError("invalid_receipt", message, { part, taskId });
}
