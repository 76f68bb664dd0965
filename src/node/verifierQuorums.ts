import type { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { OpgError } from "#protocol/errors.ts";
import type { CheckedVerdict } from "./askVerifier.ts";
import type { CountedVerdict } from "./collectVerdicts.ts";

interface Quorum {
  threshold: number;
  isMember: (verifier: string) => boolean | Promise<boolean>;
}

/** What the chain says of the epochs in which verdicts are signed. An epoch's set never changes, so it is read once. */
export class VerifierQuorums {
  readonly #verifierSet: Pick<VerifierSetAdapter, "current" | "epoch" | "isMember">;
  readonly #epochs = new Map<bigint, Quorum>();

  constructor(verifierSet: Pick<VerifierSetAdapter, "current" | "epoch" | "isMember">) {
    this.#verifierSet = verifierSet;
  }

  /** Reads the set in force, so that its verdicts need no call. @throws OpgError `chain_unavailable` */
  async refresh(): Promise<void> {
    const { epoch, threshold, members } = await this.#verifierSet.current();
    this.#epochs.set(epoch, { threshold, isMember: (verifier) => members.includes(verifier) });
  }

  /**
   * Says how many verdicts of its epoch make a certificate with this one.
   *
   * @throws OpgError `invalid_signature` when its signer is no member of the epoch, `chain_unavailable`
   */
  async count(checked: CheckedVerdict): Promise<CountedVerdict> {
    const { epoch, verifier } = checked.verdict;
    const { threshold, isMember } = await this.#quorumOf(BigInt(epoch));
    if (threshold > 0 && (await isMember(verifier))) return { ...checked, threshold };
    throw new OpgError("invalid_signature", `${verifier} is no verifier of epoch ${epoch}.`, { verifier, epoch });
  }

  async #quorumOf(epoch: bigint): Promise<Quorum> {
    const known = this.#epochs.get(epoch);
    if (known) return known;
    const { threshold } = await this.#verifierSet.epoch(epoch);
    const quorum = { threshold, isMember: (verifier: string) => this.#verifierSet.isMember(epoch, verifier) };
    if (threshold > 0) this.#epochs.set(epoch, quorum);
    return quorum;
  }
}
