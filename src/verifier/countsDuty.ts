import type { Wallet } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { Domain } from "#protocol/typedData.ts";
import { countsTypedData } from "#protocol/verdict.ts";
import type { EpochCounts, VerifierStore } from "#store/verifierStore.ts";
import { areSameCounts, checkCounts } from "./checkCounts.ts";
import type { EndedEpoch, EndedEpochs } from "./endedEpochs.ts";
import { isSignedBy, signDocument, type SignedDocument } from "#protocol/signedDocument.ts";

/** What the duty works with. */
export interface CountsDutyDependencies {
  wallet: Wallet;
  settlement: Domain;
  endedEpochs: EndedEpochs;
  store: VerifierStore;
}

/** Says how often each verifier of an ended epoch was right, and signs one such division per epoch, ever. */
export class CountsDuty {
  readonly #dependencies: CountsDutyDependencies;

  constructor(dependencies: CountsDutyDependencies) {
    this.#dependencies = dependencies;
  }

  /** What this verifier proposes: what it has signed already, or else what it has seen. */
  async propose(ended: EndedEpoch): Promise<EpochCounts> {
    return (await this.#dependencies.store.signedCounts(ended.epoch)) ?? (await this.#seen(ended));
  }

  /**
   * Signs proposed counts that the own records bear out.
   *
   * @throws OpgError `counts_refused`: the epoch is not over, this verifier is no member, its records say otherwise, or
   * it has signed another division of this epoch already
   */
  async sign(proposed: EpochCounts): Promise<string> {
    const { wallet, endedEpochs, store } = this.#dependencies;
    const { epoch } = proposed;
    const ended = await endedEpochs.get(epoch);
    if (!ended) throw refused(epoch, "The epoch is not over; ask again when its time of grace is.");
    if (!ended.members.includes(wallet.address)) throw refused(epoch, "This verifier was no member of that epoch.");
    const check = checkCounts(proposed, await this.#seen(ended));
    if (!check.ok) throw refused(epoch, check.problem);
    const recorded = await store.recordSignedCounts(proposed);
    if (!areSameCounts(recorded, proposed))
      throw refused(epoch, "Another division of this epoch was signed here already.");
    return signDocument(wallet, this.#document(proposed));
  }

  /** Whether a signature is the verifier's over these counts. */
  isSigned(counts: EpochCounts, verifier: string, signature: string): boolean {
    return isSignedBy(verifier, this.#document(counts), signature);
  }

  async #seen({ epoch, members, settledResults, settledBatches }: EndedEpoch): Promise<EpochCounts> {
    const { store } = this.#dependencies;
    const inBatches = await store.resultsIn(settledBatches);
    const counts = await store.rightCommitmentCounts([...settledResults, ...inBatches]);
    return { epoch, verifiers: members, counts: members.map((member) => counts.get(member) ?? 0) };
  }

  #document({ epoch, verifiers, counts }: EpochCounts): SignedDocument {
    return countsTypedData({ epoch, verifiers, counts: counts.map(BigInt) }, this.#dependencies.settlement);
  }
}

function refused(epoch: bigint, message: string): OpgError {
  return new OpgError("counts_refused", message, { epoch });
}
