import type { ReceiptRefusalReason, RefusedReceipt } from "#protocol/batchMessages.ts";

/** What verifiers refuse to sign. */
export interface RefusedBy {
  verifier: string;
  refused: readonly RefusedReceipt[];
}

/** By taskId, who refused it and why. */
export type Objections = ReadonlyMap<string, Readonly<Record<string, ReceiptRefusalReason>>>;

/**
 * Which receipts a batch goes on without. One that is refused for the first time waits, whoever refused it. One that waited
 * before may be signed by a quorum of the others: so many verifiers as a quorum can do without are not listened to, those
 * who refuse most.
 *
 * @param spare - members less the threshold
 * @param waitedBefore - taskIds
 */
export function receiptsToSetAside(
  refusals: readonly RefusedBy[],
  spare: number,
  waitedBefore: ReadonlySet<string>,
): Objections {
  const again = ({ refused }: RefusedBy): number => refused.filter(({ taskId }) => waitedBefore.has(taskId)).length;
  const byWeight = [...refusals].sort((one, other) => again(other) - again(one));
  const unheard = new Set(byWeight.slice(0, spare).map(({ verifier }) => verifier));
  const objections = new Map<string, Record<string, ReceiptRefusalReason>>();
  for (const { verifier, refused } of refusals) {
    for (const { taskId, reason } of refused) {
      if (waitedBefore.has(taskId) && unheard.has(verifier)) continue;
      objections.set(taskId, { ...objections.get(taskId), [verifier]: reason });
    }
  }
  return objections;
}
