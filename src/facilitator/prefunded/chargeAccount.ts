import { Signature } from "ethers";
import type { z } from "zod";
import { requireQuorum, taskLost } from "#facilitator/acceptCertificate.ts";
import type { ActingDependencies } from "#facilitator/dependencies.ts";
import { OpgError } from "#protocol/errors.ts";
import type { acceptedCertificateJson, CertificateMessage } from "#protocol/messages.ts";
import type { SignedVerdict } from "#protocol/verdict.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";

type AcceptedCertificate = z.input<typeof acceptedCertificateJson>;

/**
 * Charges an account under a certificate whose result was checked; a batch takes the charge later. The same certificate again
 * gets the same answer.
 *
 * @throws OpgError `certificate_incomplete`, `result_refused` or `task_lost` for a task that has ended otherwise
 */
export async function chargeAccount(
  dependencies: ActingDependencies,
  { taskId, task, state, result: known, nodeSignature: certified }: StoredTask,
  message: CertificateMessage,
): Promise<AcceptedCertificate> {
  const { store, head, terms, clock, logger } = dependencies;
  const { payer, policy, deadline } = task;
  if (state === "certified" || state === "settled") return { taskId, state, transaction: null };
  if (state === "refunded" && known && certified === null) {
    const words = "The verifiers refused a result of this task; nothing is charged for it.";
    throw new OpgError("result_refused", words, { taskId });
  }
  if (state !== "released" || head.newest.timestamp > deadline + terms.settleWindowSeconds)
    throw taskLost(taskId, state);
  const verdicts = await quorumIn(dependencies, policy, message);
  const { result } = message;
  const nodeSignature = Signature.from(message.nodeSignature).serialized;
  const isCharged = await store.recordCharge({ payer, result, nodeSignature, verdicts, certifiedAt: clock() });
  if (!isCharged) throw taskLost(taskId, "refunded");
  logger.info({ taskId, payer, amount: result.amount, verdicts: verdicts.length }, "account charged");
  return { taskId, state: result.amount > 0n ? "certified" : "settled", transaction: null };
}

/** Nobody is refused for what the newest block has mended. */
async function quorumIn(
  { network, head, rememberedSet }: ActingDependencies,
  mode: number,
  message: CertificateMessage,
): Promise<SignedVerdict[]> {
  const remembered = head.newest.hash;
  try {
    return await requireQuorum({ network, ...rememberedSet }, mode, message);
  } catch (error) {
    await head.advance();
    if (head.newest.hash === remembered) throw error;
    return requireQuorum({ network, ...rememberedSet }, mode, message);
  }
}
