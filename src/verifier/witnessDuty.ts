import { OpgError } from "#protocol/errors.ts";
import type { WitnessedCertificate } from "#protocol/messages.ts";
import { resultHashOf } from "#protocol/result.ts";
import type { Domain } from "#protocol/typedData.ts";
import type { VerifierStore } from "#store/verifierStore.ts";
import type { EpochSets } from "./epochSets.ts";
import { agreeingVerdicts, rightCommitments } from "./rightCommitments.ts";

/** What the duty works with. */
export interface WitnessDutyDependencies {
  settlement: Domain;
  epochSets: EpochSets;
  store: VerifierStore;
}

/**
 * Keeps count of who committed in time and was right. It needs nothing but the certificate, so a verifier that missed a
 * task can still count the others; what was never settled is left out when an epoch is closed.
 */
export class WitnessDuty {
  readonly #dependencies: WitnessDutyDependencies;

  constructor(dependencies: WitnessDutyDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * @returns whether anybody was counted
   * @throws OpgError `invalid_body` when the result is about another task, `certificate_incomplete` when fewer verifiers
   * agree than the threshold of the first verdict's epoch
   */
  async witness(taskId: string, certificate: WitnessedCertificate): Promise<boolean> {
    const { settlement, epochSets, store } = this.#dependencies;
    const { result, verdicts } = certificate;
    if (result.taskId !== taskId) {
      throw new OpgError("invalid_body", "The result is about another task than the address names.", { taskId });
    }
    const epoch = BigInt(verdicts[0]?.epoch ?? 0);
    const set = await epochSets.get(epoch);
    const agreeing = agreeingVerdicts(certificate, epoch, set?.members ?? [], settlement);
    if (!set || agreeing.length < set.threshold) {
      throw new OpgError("certificate_incomplete", "Too few verifiers of one set agree with this result.", { taskId });
    }
    const right = rightCommitments(certificate, agreeing, settlement);
    await store.recordRightCommitments(resultHashOf(result, settlement), right);
    return right.length > 0;
  }
}
