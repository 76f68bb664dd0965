import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import {
  acceptedCertificateJson,
  type CertificateMessage,
  recordedJson,
  type WitnessedCertificate,
} from "#protocol/messages.ts";
import { resultToJson } from "#protocol/result.ts";
import type { Clock } from "#service/clock.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Logger } from "#service/logger.ts";
import type { Verifier } from "./askVerifier.ts";
import type { Facilitator } from "./facilitators.ts";

const TIMEOUT_SECONDS = 20;
const FIRST_RETRY_SECONDS = 0.5;
const LONGEST_RETRY_SECONDS = 10;

/** Answers after which the same certificate may still be taken. */
const passing: readonly ErrorCode[] = [
  "facilitator_unavailable",
  "chain_unavailable",
  "rate_limited",
  "timeout",
  "internal",
];

/**
 * Hands a certificate to the facilitator that released the task. The certificate is money, so this goes on until it can
 * no longer be settled.
 *
 * @param until - seconds since 1970
 * @returns hash of the settling transaction, where it is sent already
 * @throws OpgError what the facilitator refuses it with, or its last failure
 */
export async function certify(
  facilitator: Facilitator,
  certificate: CertificateMessage,
  until: number,
  { clock, logger }: { clock: Clock; logger: Logger },
): Promise<string | null> {
  const { taskId } = certificate.result;
  for (let retrySeconds = FIRST_RETRY_SECONDS; ; retrySeconds = Math.min(retrySeconds * 2, LONGEST_RETRY_SECONDS)) {
    try {
      const accepted = await httpCall({
        method: "POST",
        url: `${facilitator.url}/tasks/${taskId}/certificate`,
        body: certificateBody(certificate),
        answer: acceptedCertificateJson,
        timeoutSeconds: TIMEOUT_SECONDS,
        unavailable: "facilitator_unavailable",
      });
      return accepted.transaction;
    } catch (error) {
      const isPassing = error instanceof OpgError && passing.includes(error.code);
      if (!isPassing || clock() + retrySeconds > until) throw error;
      logger.warn({ taskId, code: error.code, retrySeconds }, "certificate not taken yet");
      await sleep(retrySeconds * 1000);
    }
  }
}

/** Shows one verifier the certificate with everybody's commitments, so that it can count who was right in time. */
export async function witness({ url }: Verifier, certificate: WitnessedCertificate): Promise<void> {
  await httpCall({
    method: "POST",
    url: `${url}/tasks/${certificate.result.taskId}/certificate`,
    body: { ...certificateBody(certificate), commitments: certificate.commitments },
    answer: recordedJson,
    timeoutSeconds: TIMEOUT_SECONDS,
    unavailable: "verifier_unavailable",
  });
}

function certificateBody({ result, nodeSignature, verdicts }: CertificateMessage) {
  return { result: resultToJson(result), nodeSignature, verdicts };
}
