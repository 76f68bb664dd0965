import type { Wallet } from "ethers";
import type { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { policies } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";
import { refusalTypedData, type SignedVerdict, verdictTypedData } from "#protocol/verdict.ts";
import type { Clock } from "#service/clock.ts";
import type { StoredCommitment, StoredVerdict } from "#store/verifierStore.ts";
import { signingEpoch } from "./signingEpoch.ts";
import { signDocument } from "#protocol/signedDocument.ts";

/** What signing takes. */
export interface VerdictSignerDependencies {
  wallet: Wallet;
  settlement: Domain;
  verifierSet: VerifierSetAdapter;
  clock: Clock;
}

/**
 * Puts recorded verdicts under a signature. The same record may be signed under each epoch anew; what is recorded, and so
 * what is signed for a task, never changes.
 */
export class VerdictSigner {
  readonly #dependencies: VerdictSignerDependencies;

  constructor(dependencies: VerdictSignerDependencies) {
    this.#dependencies = dependencies;
  }

  /** @throws OpgError `certificate_incomplete` when this verifier is in no set whose word counts now */
  async sign({ resultHash, reason }: StoredVerdict, { response, salt }: StoredCommitment): Promise<SignedVerdict> {
    const { wallet, settlement, verifierSet, clock } = this.#dependencies;
    const epoch = await signingEpoch(verifierSet, wallet.address, clock());
    const verdict = { resultHash, epoch, mode: policies.reExecution, agrees: reason === null };
    const signed = {
      verifier: wallet.address,
      ...verdict,
      epoch: Number(epoch),
      signature: await signDocument(wallet, verdictTypedData(verdict, settlement)),
      opening: { response, salt },
    };
    if (reason === null) return signed;
    return {
      ...signed,
      reason,
      reasonSignature: await signDocument(wallet, refusalTypedData(resultHash, reason, settlement)),
    };
  }
}
