import type { EpochBegan, VerifierSetAdapter } from "#chain/verifierSet.ts";
import { OpgError } from "#protocol/errors.ts";

/** Who certified in which epoch. A set never changes once its epoch began, so each is read from the chain once. */
export class EpochSets {
  readonly #verifierSet: VerifierSetAdapter;
  readonly #deploymentBlock: number;
  readonly #known = new Map<bigint, EpochBegan>();

  constructor(verifierSet: VerifierSetAdapter, deploymentBlock: number) {
    this.#verifierSet = verifierSet;
    this.#deploymentBlock = deploymentBlock;
  }

  /** @returns nothing for an epoch that never was */
  async get(epoch: bigint): Promise<EpochBegan | undefined> {
    const known = this.#known.get(epoch);
    if (known) return known;
    if (epoch < 1n || epoch > (await this.#verifierSet.currentEpoch())) return undefined;
    for (const began of await this.#verifierSet.epochsBegan({ fromBlock: this.#deploymentBlock })) {
      this.#known.set(began.epoch, began);
    }
    const found = this.#known.get(epoch);
    if (found) return found;
    throw new OpgError("chain_unavailable", "The chain does not show when the epoch began; try again later.");
  }
}
