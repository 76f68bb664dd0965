import { OpgError } from "#protocol/errors.ts";
import type { RefusalMessage } from "#protocol/messages.ts";
import { domainIn } from "#protocol/network.ts";
import { resultHashOf } from "#protocol/result.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import { acceptedEpochs, verdictsOfMembers } from "./acceptedEpochs.ts";
import { requirePassed } from "./checks/check.ts";
import { checkResultTask } from "./checks/checkSignedResult.ts";
import { checkVerdict } from "./checks/checkVerdict.ts";
import type { ActingDependencies } from "./dependencies.ts";
import { findReleased } from "./findReleased.ts";

/**
 * Keeps one verifier's refusal of a result; when enough refuse the same result, the payer is refunded at once.
 *
 * @returns the task as it stands then
 * @throws OpgError `unknown_task`, `invalid_body` for what is no refusal of a result of this task, `invalid_signature` where
 * it is not a member's, `chain_unavailable`
 */
export async function acceptRefusal(
  dependencies: ActingDependencies,
  taskId: string,
  { result, verdict }: RefusalMessage,
): Promise<StoredTask> {
  const { store, closer, network, logger } = dependencies;
  const { task, state, prefunded } = await findReleased(store, taskId);
  const settlement = domainIn(network, "settlement");
  const resultHash = resultHashOf(result, settlement);
  requirePassed(checkResultTask(result, taskId));
  requirePassed(checkVerdict(verdict, { resultHash, mode: task.policy, settlement }));
  if (verdict.agrees) {
    throw new OpgError("invalid_body", "The verdict agrees with the result; only refusals are sent here.", {
      verifier: verdict.verifier,
    });
  }
  const accepted = (await acceptedEpochs(dependencies)).find(({ epoch }) => epoch === verdict.epoch);
  if (!accepted || (await verdictsOfMembers(dependencies, [verdict], verdict.epoch)).length === 0) {
    throw new OpgError(
      "invalid_signature",
      `${verdict.verifier} is not a verifier in force in epoch ${verdict.epoch}; only verdicts of members count.`,
      { verifier: verdict.verifier, epoch: verdict.epoch },
    );
  }

  // A refusal that comes late, or against a certificate, changes nothing any more but stays part of the story.
  await store.recordRefusal(result, verdict);
  logger.info({ taskId, verifier: verdict.verifier, reason: verdict.reason }, "result refused by a verifier");
  if (state !== "released") return findReleased(store, taskId);
  const { verdicts } = await findReleased(store, taskId);
  const refusals = verdicts.filter(
    (other) => !other.agrees && other.resultHash === resultHash && other.epoch === verdict.epoch,
  );
  if (refusals.length >= accepted.threshold && prefunded) {
    await store.recordRefund(taskId, task.payer, result);
  } else if (refusals.length >= accepted.threshold) {
    await store.recordRefused(taskId, result);
    await closer.close(taskId);
  }
  return findReleased(store, taskId);
}
