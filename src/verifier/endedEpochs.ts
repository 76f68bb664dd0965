import { settledResults } from "#chain/settledResults.ts";
import type { VerifierContracts } from "./contracts.ts";
import type { EpochSets } from "./epochSets.ts";

/** An epoch whose time of grace is over: nothing more will be settled in it. */
export interface EndedEpoch {
  epoch: bigint;
  /** Ascending. */
  members: string[];
  threshold: number;
  /** Since when its pool may be divided, seconds since 1970. */
  closableAt: number;
  /** Digests of the results that were paid for in it. */
  settledResults: string[];
  /** Ids of the batches that were paid in it, with results of their own. */
  settledBatches: string[];
}

/** Past epochs, each read from the chain once. */
export class EndedEpochs {
  readonly #contracts: VerifierContracts;
  readonly #epochSets: EpochSets;
  readonly #known = new Map<bigint, EndedEpoch>();

  constructor(contracts: VerifierContracts, epochSets: EpochSets) {
    this.#contracts = contracts;
    this.#epochSets = epochSets;
  }

  /** @returns nothing when the epoch never was or its certificates are still accepted */
  async get(epoch: bigint): Promise<EndedEpoch | undefined> {
    const known = this.#known.get(epoch);
    if (known) return known;
    const closableAt = await this.#closableAt(epoch);
    const set = await this.#epochSets.get(epoch);
    if (closableAt === undefined || !set) return undefined;
    const { provider, settlement, batches } = this.#contracts;
    const { members, threshold, blockNumber: fromBlock } = set;
    const [results, settled] = await Promise.all([
      settledResults(provider, settlement.address, epoch, { fromBlock }),
      batches.settledBatches({ fromBlock }),
    ]);
    const settledBatches = settled.filter((batch) => batch.epoch === epoch).map(({ batchId }) => batchId);
    const ended = { epoch, members, threshold, closableAt, settledResults: results, settledBatches };
    this.#known.set(epoch, ended);
    return ended;
  }

  /** By the chain's own time, which is what decides whether anything can still be settled. */
  async #closableAt(epoch: bigint): Promise<number | undefined> {
    const { provider, verifierSet } = this.#contracts;
    const [{ endedAt }, graceSeconds, block] = await Promise.all([
      verifierSet.epoch(epoch),
      verifierSet.graceSeconds(),
      provider.getBlock("latest"),
    ]);
    const closableAt = endedAt + graceSeconds + 1;
    return endedAt > 0 && block !== null && block.timestamp >= closableAt ? closableAt : undefined;
  }
}
