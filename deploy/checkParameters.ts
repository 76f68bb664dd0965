import { OpgError } from "#protocol/errors.ts";
import type { NetworkParameters } from "./parameters.ts";

/** A relation between parameters, in words, and whether it holds. */
type Relation = readonly [rule: string, holds: (parameters: NetworkParameters) => boolean];

/** Time that a payer needs at most to get a lock back. */
const longestLock = ({ maxTaskSeconds, settleWindowSeconds }: NetworkParameters): number =>
  maxTaskSeconds + settleWindowSeconds;

const relations: readonly Relation[] = [
  ["verifiers must be distinct", ({ verifiers }) => new Set(verifiers).size === verifiers.length],
  ["threshold must be above half of the verifiers", ({ threshold, verifiers }) => 2 * threshold > verifiers.length],
  ["threshold must not exceed the verifiers", ({ threshold, verifiers }) => threshold <= verifiers.length],
  ["maxTaskSeconds must be above 0", ({ maxTaskSeconds }) => maxTaskSeconds > 0],
  ["settleWindowSeconds must be above 0", ({ settleWindowSeconds }) => settleWindowSeconds > 0],
  [
    "withdrawDelaySeconds must exceed maxTaskSeconds + settleWindowSeconds by a third, so that no withdrawal overtakes a receipt",
    // A receipt may come as late as that, and wait a quarter of the delay for its batch.
    (parameters) => 3 * parameters.withdrawDelaySeconds >= 4 * longestLock(parameters),
  ],
  [
    "installDelaySeconds must exceed maxTaskSeconds + settleWindowSeconds and withdrawDelaySeconds, so that payers can leave first",
    (parameters) => parameters.installDelaySeconds > Math.max(longestLock(parameters), parameters.withdrawDelaySeconds),
  ],
  [
    "graceSeconds must reach maxTaskSeconds + settleWindowSeconds, so that a handover strands no task",
    (parameters) => parameters.graceSeconds >= longestLock(parameters),
  ],
  ["closeSeconds must exceed graceSeconds", ({ closeSeconds, graceSeconds }) => closeSeconds > graceSeconds],
  [
    "maxLeaseSeconds must exceed maxTaskSeconds",
    ({ maxLeaseSeconds, maxTaskSeconds }) => maxLeaseSeconds > maxTaskSeconds,
  ],
  ["timelockDelaySeconds must be above 0", ({ timelockDelaySeconds }) => timelockDelaySeconds > 0],
  [
    "there must be a proposer and an executor",
    ({ proposers, executors }) => proposers.length > 0 && executors.length > 0,
  ],
  [
    "every measurement's from must precede its until",
    ({ measurements }) => measurements.every(({ from, until }) => from < until),
  ],
];

/** @throws OpgError `configuration` with the first relation that does not hold */
export function checkParameters(parameters: NetworkParameters): void {
  const broken = relations.find(([, holds]) => !holds(parameters));
  if (broken)
    throw new OpgError("configuration", `The network's parameters contradict each other: ${broken[0]}.`, {
      rule: broken[0],
    });
}
