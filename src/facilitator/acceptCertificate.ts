import { Signature } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { acceptedCertificateJson, CertificateMessage } from "#protocol/messages.ts";
import { domainIn } from "#protocol/network.ts";
import { resultHashOf } from "#protocol/result.ts";
import type { SignedVerdict } from "#protocol/verdict.ts";
import type { z } from "zod";
import { acceptedEpochs, type SetDependencies, verdictsOfMembers } from "./acceptedEpochs.ts";
import { isOverdue } from "./chainTime.ts";
import { requirePassed } from "./checks/check.ts";
import { checkSignedResult } from "./checks/checkSignedResult.ts";
import { checkVerdict } from "./checks/checkVerdict.ts";
import type { ActingDependencies } from "./dependencies.ts";
import { findReleased } from "./findReleased.ts";
import { chargeAccount } from "./prefunded/chargeAccount.ts";

type AcceptedCertificate = z.input<typeof acceptedCertificateJson>;

/**
 * Checks a certificate as Settlement will, keeps it, and sends the settlement. The same certificate again gets the same
 * answer.
 *
 * @throws OpgError `unknown_task`, `invalid_body` for a result of another task, `invalid_signature`,
 * `charge_exceeds_ceiling`, `certificate_incomplete`, `result_refused` or `task_lost` for a task that has ended otherwise,
 * `chain_unavailable`
 */
export async function acceptCertificate(
  dependencies: ActingDependencies,
  taskId: string,
  message: CertificateMessage,
): Promise<AcceptedCertificate> {
  const { store, closer, network, logger } = dependencies;
  const stored = await findReleased(store, taskId);
  const { task, state } = stored;
  requirePassed(checkSignedResult(message, { taskId, task, settlement: domainIn(network, "settlement") }));
  if (stored.prefunded) return chargeAccount(dependencies, stored, message);
  requireOpenEnded(taskId, state);
  if (state === "released") {
    // Kept, it would be a charge that the payer seems to have withheld.
    if (await isOverdue(dependencies, task)) throw taskLost(taskId, state);
    const verdicts = await requireQuorum(dependencies, task.policy, message);
    const nodeSignature = Signature.from(message.nodeSignature).serialized;
    await store.recordCertificate({ result: message.result, nodeSignature }, verdicts);
    logger.info({ taskId, amount: message.result.amount, verdicts: verdicts.length }, "certificate accepted");
  }
  await closer.close(taskId);
  const current = await findReleased(store, taskId);
  const settling = current.transactions.findLast(({ purpose }) => purpose === "settle" || purpose === "capture");
  return { taskId, state: current.state, transaction: settling?.hash ?? null };
}

function requireOpenEnded(taskId: string, state: string): void {
  if (state === "refused") {
    throw new OpgError("result_refused", "The verifiers refused a result of this task; its payer is being refunded.", {
      taskId,
    });
  }
  if (state === "expired" || state === "refunded") {
    throw taskLost(taskId, state);
  }
}

/** The error for a task that nobody can settle any more. */
export function taskLost(taskId: string, state: string): OpgError {
  const words = "The task ended without a certificate in time; its payer keeps the money, or is being refunded.";
  return new OpgError("task_lost", words, { taskId, state });
}

/** The valid verdicts of an accepted epoch in which enough members agree. @throws OpgError `certificate_incomplete` */
export async function requireQuorum(
  dependencies: SetDependencies & Pick<ActingDependencies, "network">,
  mode: number,
  { result, verdicts }: CertificateMessage,
): Promise<SignedVerdict[]> {
  const settlement = domainIn(dependencies.network, "settlement");
  const expected = { resultHash: resultHashOf(result, settlement), mode, settlement };
  const valid = verdicts.filter((verdict) => checkVerdict(verdict, expected).ok);
  let most = 0;
  let need = 0;
  for (const { epoch, threshold } of await acceptedEpochs(dependencies)) {
    const ofMembers = await verdictsOfMembers(dependencies, valid, epoch);
    const agreeing = ofMembers.filter(({ agrees }) => agrees).length;
    if (agreeing >= threshold) return ofMembers;
    most = Math.max(most, agreeing);
    need = Math.max(need, threshold);
  }
  throw new OpgError(
    "certificate_incomplete",
    `${most} verifiers in force agree with the result under a valid signature and ${need} must; collect more verdicts.`,
    { have: most, need },
  );
}
