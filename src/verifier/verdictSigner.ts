import type { Wallet } from "ethers";
import type { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { prefixAt } from "#protocol/prefixes.ts";
import { policies } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";
import { type Opening, refusalTypedData, type SignedVerdict, verdictTypedData } from "#protocol/verdict.ts";
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
  async sign({ resultHash, reason, result }: StoredVerdict, own: StoredCommitment): Promise<SignedVerdict> {
    const { wallet, settlement, verifierSet, clock } = this.#dependencies;
    const epoch = await signingEpoch(verifierSet, wallet.address, clock());
    const verdict = { resultHash, epoch, mode: policies.reExecution, agrees: reason === null };
    const signed = {
      verifier: wallet.address,
      ...verdict,
      epoch: Number(epoch),
      signature: await signDocument(wallet, verdictTypedData(verdict, settlement)),
      opening: openingOf(own, result.response),
    };
    if (reason === null) return signed;
    return {
      ...signed,
      reason,
      reasonSignature: await signDocument(wallet, refusalTypedData(resultHash, reason, settlement)),
    };
  }
}

/** Shows the answer that a result claims, or the whole one where it claims none of them. */
function openingOf({ answers, salt }: StoredCommitment, claimed: string): Opening {
  const responses = answers.map(({ response }) => response);
  const found = responses.indexOf(claimed);
  const at = found < 0 ? responses.length - 1 : found;
  const opening = { response: responses[at] ?? claimed, salt };
  return responses.length === 1 ? opening : { ...opening, prefix: prefixAt(responses, at) };
}
