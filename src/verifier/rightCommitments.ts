import type { WitnessedCertificate } from "#protocol/messages.ts";
import { resultHashOf } from "#protocol/result.ts";
import { policies } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";
import {
  commitmentTypedData,
  type Opening,
  opensCommitment,
  type SignedVerdict,
  verdictTypedData,
} from "#protocol/verdict.ts";
import { isSignedBy } from "#protocol/signedDocument.ts";

/** How much later than the node a verifier may be done and still count as in time. */
export const MAX_COMMITMENT_DELAY_SECONDS = 30;

/**
 * The properly signed verdicts that agree with the result, at most one of each member.
 *
 * @param members - of `epoch`; nobody else's signature is looked at
 */
export function agreeingVerdicts(
  { result, verdicts }: WitnessedCertificate,
  epoch: bigint,
  members: readonly string[],
  settlement: Domain,
): SignedVerdict[] {
  const resultHash = resultHashOf(result, settlement);
  const verdict = { resultHash, epoch, mode: policies.reExecution, agrees: true };
  const document = verdictTypedData(verdict, settlement);
  return members.flatMap((member) => {
    const own = verdicts.find(({ verifier }) => verifier === member);
    return own && isSignedBy(member, document, own.signature) ? [own] : [];
  });
}

/**
 * Of these verifiers those who committed in time to the certified response: their opening gives the response and, with
 * their address, their commitment, which they signed not long after the node was done. Of a stream all who repeated it
 * have the response at the same place among as many; who opens another place has filled a commitment with guesses.
 */
export function rightCommitments(
  { result, commitments }: WitnessedCertificate,
  agreeing: readonly SignedVerdict[],
  settlement: Domain,
): string[] {
  const place = mostCommon(agreeing.map(({ opening }) => placeOf(opening)));
  const isRight = ({ verifier, opening }: SignedVerdict): boolean => {
    const signed = commitments.find((commitment) => commitment.verifier === verifier);
    return (
      signed !== undefined &&
      opening.response === result.response &&
      placeOf(opening) === place &&
      opensCommitment(opening, verifier, signed.commitment) &&
      signed.taskId === result.taskId &&
      signed.committedAt <= result.completedAt + MAX_COMMITMENT_DELAY_SECONDS &&
      isSignedBy(verifier, commitmentTypedData(signed, settlement), signed.signature)
    );
  };
  return agreeing.filter(isRight).map(({ verifier }) => verifier);
}

/** Where a response stands in a commitment: after how many steps, among how many at most. */
function placeOf({ prefix }: Opening): string {
  return prefix ? `${prefix.steps} of ${2 ** prefix.path.length}` : "alone";
}

/** What more than half of them say; nothing where there is no such. */
function mostCommon(places: readonly string[]): string | undefined {
  return places.find((place) => 2 * places.filter((other) => other === place).length > places.length);
}
