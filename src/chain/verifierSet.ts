import type { Provider } from "ethers";
import { type IVerifierSet, IVerifierSet__factory } from "#typechain/index.ts";
import { type BlockRange, type LogPlace, placeOf, searchBlocks } from "./blockRange.ts";
import type { Call } from "./call.ts";

/** One epoch of the set; times in seconds since 1970. */
export interface VerifierEpoch {
  threshold: number;
  size: number;
  /** 0 for an epoch that never was. */
  beganAt: number;
  /** 0 while it is the current one. */
  endedAt: number;
}

/** The set in force. */
export interface CurrentVerifiers extends VerifierEpoch {
  epoch: bigint;
  /** Ascending. */
  members: string[];
}

/** A new set came into force. */
export interface EpochBegan extends LogPlace {
  epoch: bigint;
  members: string[];
  threshold: number;
}

/** VerifierSet: who may certify in which epoch. */
export class VerifierSetAdapter {
  readonly address: string;
  readonly #provider: Provider;
  readonly #contract: IVerifierSet;

  constructor(address: string, provider: Provider) {
    this.address = address;
    this.#provider = provider;
    this.#contract = IVerifierSet__factory.connect(address, provider);
  }

  /** Hands over to the next set under a certificate of the current one. */
  populateHandover(members: readonly string[], threshold: number, validUntil: number, signatures: string): Call {
    const { interface: abi } = this.#contract;
    return {
      to: this.address,
      data: abi.encodeFunctionData("handover", [[...members], threshold, validUntil, signatures]),
    };
  }

  currentEpoch(): Promise<bigint> {
    return this.#contract.currentEpoch();
  }

  async epoch(epoch: bigint): Promise<VerifierEpoch> {
    const { threshold, size, beganAt, endedAt } = await this.#contract.epochs(epoch);
    return {
      threshold: Number(threshold),
      size: Number(size),
      beganAt: Number(beganAt),
      endedAt: Number(endedAt),
    };
  }

  /** The set in force, everything read at one block. */
  async current(): Promise<CurrentVerifiers> {
    const blockTag = await this.#provider.getBlockNumber();
    const [epoch, members] = await Promise.all([
      this.#contract.currentEpoch({ blockTag }),
      this.#contract.members({ blockTag }),
    ]);
    const { threshold, size, beganAt } = await this.#contract.epochs(epoch, { blockTag });
    return {
      epoch,
      members: [...members],
      threshold: Number(threshold),
      size: Number(size),
      beganAt: Number(beganAt),
      endedAt: 0,
    };
  }

  isMember(epoch: bigint, verifier: string): Promise<boolean> {
    return this.#contract.isMember(epoch, verifier);
  }

  /** What a handover is bound to. */
  networkId(): Promise<string> {
    return this.#contract.networkId();
  }

  /** How long after its end an epoch's certificates are still accepted. */
  async graceSeconds(): Promise<number> {
    return Number(await this.#contract.GRACE_SECONDS());
  }

  /** Sets that came into force, oldest first. */
  epochsBegan(range: BlockRange): Promise<EpochBegan[]> {
    return searchBlocks(this.#provider, range, async (from, to) => {
      const logs = await this.#contract.queryFilter(this.#contract.filters.EpochBegan(), from, to);
      return logs.map((log): EpochBegan => {
        const { epoch, members, threshold } = log.args;
        return { epoch, members: [...members], threshold: Number(threshold), ...placeOf(log) };
      });
    });
  }
}
