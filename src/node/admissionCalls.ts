import { type Admission, type AdmissionRequestJson, admissionTypedData } from "#protocol/admission.ts";
import { OpgError } from "#protocol/errors.ts";
import { admissionSignatureJson, challengeJson } from "#protocol/messages.ts";
import type { Domain } from "#protocol/typedData.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Logger } from "#service/logger.ts";
import type { Verifier } from "./askVerifier.ts";
import { recoverSigner } from "#protocol/signedDocument.ts";

const TIMEOUT_SECONDS = 10;
const call = { method: "POST", timeoutSeconds: TIMEOUT_SECONDS, unavailable: "verifier_unavailable" } as const;

/** A verifier's challenge, to be answered by evidence. */
export interface Challenge {
  verifier: Verifier;
  challenge: string;
}

/** A verifier's signature over an admission. */
export interface CollectedSignature {
  signer: string;
  signature: string;
}

/** Asks all verifiers at once for a challenge; who does not answer is left out and logged. */
export function requestChallenges(verifiers: readonly Verifier[], node: string, logger: Logger): Promise<Challenge[]> {
  return askAll(verifiers, logger, async (verifier): Promise<Challenge> => {
    const body = { node };
    const answer = await httpCall({
      ...call,
      url: `${verifier.url}/admissions/challenges`,
      body,
      answer: challengeJson,
    });
    return { verifier, challenge: answer.challenge };
  });
}

/** Has all verifiers check an admission at once; who refuses, or signs something else, is left out and logged. */
export function requestSignatures(
  verifiers: readonly Verifier[],
  body: AdmissionRequestJson,
  admission: Admission,
  { nodeRegistry, logger }: { nodeRegistry: Domain; logger: Logger },
): Promise<CollectedSignature[]> {
  return askAll(verifiers, logger, async ({ address, url }): Promise<CollectedSignature> => {
    const { signature } = await httpCall({ ...call, url: `${url}/admissions`, body, answer: admissionSignatureJson });
    if (recoverSigner(admissionTypedData(admission, nodeRegistry), signature) === address) {
      return { signer: address, signature };
    }
    throw new OpgError("invalid_signature", `${address} did not sign this admission.`, { verifier: address });
  });
}

async function askAll<Answer>(
  verifiers: readonly Verifier[],
  logger: Logger,
  ask: (verifier: Verifier) => Promise<Answer>,
): Promise<Answer[]> {
  const answers = await Promise.all(
    verifiers.map((verifier) =>
      ask(verifier).catch((error: unknown) => {
        logger.warn({ verifier: verifier.address, err: error }, "verifier does not admit");
        return undefined;
      }),
    ),
  );
  return answers.filter((answer) => answer !== undefined);
}
