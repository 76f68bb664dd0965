import { OpgError } from "#protocol/errors.ts";
import type { ReleasedRequestJson } from "#protocol/messages.ts";
import type { Network } from "#protocol/network.ts";
import { type Result, resultHashOf, resultToJson, type SignedResult } from "#protocol/result.ts";
import { policies } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";
import {
  commitmentTypedData,
  opensCommitment,
  refusalTypedData,
  type SignedCommitment,
  signedCommitmentJson,
  type SignedVerdict,
  signedVerdictJson,
  verdictTypedData,
} from "#protocol/verdict.ts";
import { httpCall } from "#service/httpCall.ts";
import { recoverSigner } from "#protocol/signedDocument.ts";

/** Longest wait for one answer of a verifier. */
const TIMEOUT_SECONDS = 20;

/** One of the network's verifiers. */
export type Verifier = Network["verifiers"][number];

/** A verifier's word on a result, and what it had committed to before it saw that; signatures checked. */
export interface CheckedVerdict {
  commitment: SignedCommitment;
  verdict: SignedVerdict;
}

/** One task, as every verifier is asked about it. */
export interface Question {
  taskId: string;
  request: ReleasedRequestJson;
  /** The signed result, once there is one. */
  signed: Promise<SignedResult>;
  settlement: Domain;
}

/**
 * Has one verifier repeat a task: sends the request, waits for its commitment, and only then shows the result.
 *
 * @throws OpgError the verifier's own; `verifier_unavailable`; `invalid_signature` when its word does not hold; or what
 * `signed` failed with
 */
export async function askVerifier({ address, url }: Verifier, question: Question): Promise<CheckedVerdict> {
  const { taskId, request, settlement } = question;
  const call = { method: "POST", timeoutSeconds: TIMEOUT_SECONDS, unavailable: "verifier_unavailable" } as const;
  const tasks = `${url}/tasks`;
  const commitment = await httpCall({ ...call, url: tasks, body: request, answer: signedCommitmentJson });
  checkCommitment(commitment, address, taskId, settlement);
  const { result, nodeSignature } = await question.signed;
  const body = { result: resultToJson(result), nodeSignature };
  const verdict = await httpCall({ ...call, url: `${tasks}/${taskId}/result`, body, answer: signedVerdictJson });
  checkVerdict(verdict, commitment, result, settlement);
  return { commitment, verdict };
}

function checkCommitment(commitment: SignedCommitment, verifier: string, taskId: string, settlement: Domain): void {
  const signer = recoverSigner(commitmentTypedData(commitment, settlement), commitment.signature);
  if (commitment.verifier !== verifier || signer !== verifier || commitment.taskId !== taskId) {
    throw invalid(`The commitment is not ${verifier}'s on this task.`, verifier);
  }
}

function checkVerdict(verdict: SignedVerdict, committed: SignedCommitment, result: Result, settlement: Domain): void {
  const { verifier } = committed;
  const { resultHash, mode, epoch, agrees, opening, reason, reasonSignature } = verdict;
  const typedData = verdictTypedData({ resultHash, epoch: BigInt(epoch), mode, agrees }, settlement);
  if (verdict.verifier !== verifier || recoverSigner(typedData, verdict.signature) !== verifier) {
    throw invalid(`The verdict is not ${verifier}'s.`, verifier);
  }
  if (resultHash !== resultHashOf(result, settlement) || mode !== policies.reExecution) {
    throw invalid(`The verdict of ${verifier} is about another result.`, verifier);
  }
  if (!opensCommitment(opening, verifier, committed.commitment)) {
    throw invalid(`The verdict of ${verifier} opens another commitment.`, verifier);
  }
  if (agrees && opening.response !== result.response) {
    throw invalid(`${verifier} agrees with a response that is not its own.`, verifier);
  }
  if (agrees) return;
  const isReasoned =
    reason && recoverSigner(refusalTypedData(resultHash, reason, settlement), reasonSignature ?? "0x") === verifier;
  if (!isReasoned) throw invalid(`The refusal of ${verifier} carries no signed reason.`, verifier);
}

function invalid(message: string, verifier: string): OpgError {
  return new OpgError("invalid_signature", message, { verifier });
}
