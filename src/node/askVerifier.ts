import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import { type Result, resultHashOf, resultToJson, type SignedResult } from "#protocol/result.ts";
import type { SealedRequestJson, SealingKey } from "#protocol/sealedRequest.ts";
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
import type { Clock } from "#service/clock.ts";
import { httpCall } from "#service/httpCall.ts";
import { recoverSigner } from "#protocol/signedDocument.ts";
import type { SealingKeys } from "./sealingKeys.ts";

/** Longest wait for a verdict; a verifier that comes to its commitment only at the deadline has as long for that. */
const TIMEOUT_SECONDS = 20;
/** A verifier whose executor is full is asked again so much later. */
const RETRY_SECONDS = 1;
/** Changes of one verifier's key in the course of one task that are followed. */
const MAX_RESEALS = 2;

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
  /** Seals the request to a verifier's key, so that it alone reads it. */
  seal: (sealingKey: SealingKey) => Promise<SealedRequestJson>;
  sealingKeys: SealingKeys;
  /** The signed result, once there is one. */
  signed: Promise<SignedResult>;
  settlement: Domain;
  /** Of the task: until then verifiers may repeat it. Seconds since 1970. */
  deadline: number;
  clock: Clock;
}

/**
 * Has one verifier repeat a task: sends the request, waits for its commitment, and only then shows the result.
 *
 * @throws OpgError the verifier's own; `verifier_unavailable`; `invalid_signature` when its word does not hold; or what
 * `signed` failed with
 */
export async function askVerifier({ address, url }: Verifier, question: Question): Promise<CheckedVerdict> {
  const { taskId, settlement } = question;
  const call = { method: "POST", timeoutSeconds: TIMEOUT_SECONDS, unavailable: "verifier_unavailable" } as const;
  const tasks = `${url}/tasks`;
  const commitment = await askCommitment({ address, url }, question);
  checkCommitment(commitment, address, taskId, settlement);
  const { result, nodeSignature } = await question.signed;
  const body = { result: resultToJson(result), nodeSignature };
  const verdict = await httpCall({ ...call, url: `${tasks}/${taskId}/result`, body, answer: signedVerdictJson });
  checkVerdict(verdict, commitment, result, settlement);
  return { commitment, verdict };
}

/**
 * A verifier repeats all of the task before it commits, which may take as long as the task has. One that is full is sent the same
 * again later. One that has another key by now gets the request sealed anew, which no verifier can ask of the enclave without end.
 */
async function askCommitment(verifier: Verifier, question: Question): Promise<SignedCommitment> {
  const { seal, sealingKeys, deadline, clock } = question;
  const url = `${verifier.url}/tasks`;
  let sealingKey = await sealingKeys.get(verifier);
  let body = await seal(sealingKey);
  for (let reseals = 0; ;) {
    const timeoutSeconds = Math.max(TIMEOUT_SECONDS, deadline - clock());
    const call = { method: "POST", timeoutSeconds, unavailable: "verifier_unavailable" } as const;
    try {
      return await httpCall({ ...call, url, body, answer: signedCommitmentJson });
    } catch (error) {
      const code = error instanceof OpgError ? error.code : undefined;
      const isAskedAgain = code === "rate_limited" || (code === "sealing_key_unknown" && reseals < MAX_RESEALS);
      if (!isAskedAgain || clock() + RETRY_SECONDS > deadline) throw error;
      if (code === "rate_limited") {
        await sleep(RETRY_SECONDS * 1000);
        continue;
      }
      const fresh = await freshKey(verifier, sealingKey, sealingKeys);
      if (!fresh) throw error;
      sealingKey = fresh;
      body = await seal(sealingKey);
      reseals += 1;
    }
  }
}

/** The key that a verifier has instead of one that it does not know, if it has another. */
async function freshKey(
  verifier: Verifier,
  unknown: SealingKey,
  sealingKeys: SealingKeys,
): Promise<SealingKey | undefined> {
  await sealingKeys.forget(verifier, unknown);
  const fresh = await sealingKeys.get(verifier);
  return fresh.key === unknown.key ? undefined : fresh;
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
