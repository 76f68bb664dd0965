import { network } from "hardhat";
import { id, type TransactionResponse, Wallet } from "ethers";
import { PERMIT2 } from "#protocol/payment.ts";
import type { Result } from "#protocol/result.ts";
import type { Task } from "#protocol/task.ts";
import { countsTypedData } from "#protocol/verdict.ts";
import { typesOf, verifierSetDomain } from "#protocol/typedData.ts";
import { certify, type NetworkFixture, networkFixture } from "#test/contracts/fixture.ts";

/** One chain for all tests of the money contracts; every test starts from the same snapshot of it. */
const connection = await network.create();

export const { ethers, networkHelpers } = connection;

/** What a test may change in a certificate over a result. */
type VerdictChanges = Parameters<NetworkFixture["certifyResult"]>[1];

/** The network as deployed everywhere, with the ways to end a task and to change the verifiers. */
export type Money = Awaited<ReturnType<typeof moneyFixture>>;

/** A wallet without a history, the same in every run. */
export function walletOf(name: string): Wallet {
  return new Wallet(id(name));
}

/** Addresses as sets of verifiers are written: ascending. */
export function ascending(wallets: readonly { address: string }[]): string[] {
  return wallets.map(({ address }) => address).sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
}

/** Gives the next transaction this timestamp. */
export function nextAt(timestamp: number): Promise<void> {
  return networkHelpers.time.setNextBlockTimestamp(timestamp);
}

/** Mines an empty block with this timestamp. */
export async function mineAt(timestamp: number): Promise<void> {
  await nextAt(timestamp);
  await ethers.provider.send("evm_mine");
}

async function moneyFixture() {
  const deployed = await networkFixture(connection);
  const permit2 = await ethers.getContractAt("Permit2", PERMIT2);
  return { ...deployed, permit2, ...endings(deployed), ...verifierChanges(deployed) };
}

/** The contracts, fresh for each test. */
export function loadMoney(): Promise<Money> {
  return networkHelpers.loadFixture(moneyFixture);
}

function endings({ settlement, wallets, makeResult, signResult, certifyResult }: NetworkFixture) {
  const bySubmitter = settlement.connect(wallets.stranger);
  return {
    /** Settles an open task, submitted by somebody who has no part in it. */
    settle: async (
      task: Task,
      changes: Partial<Result> = {},
      verdict: VerdictChanges = {},
    ): Promise<TransactionResponse> => {
      const result = await makeResult(task, changes);
      return bySubmitter.settle(task, result, await signResult(result), await certifyResult(result, verdict));
    },
    /** Refunds an open task under refusals, submitted by somebody who has no part in it. */
    refuse: async (
      task: Task,
      changes: Partial<Result> = {},
      verdict: VerdictChanges = {},
    ): Promise<TransactionResponse> => {
      const result = await makeResult(task, changes);
      return bySubmitter.refuse(task, result, await certifyResult(result, { agrees: false, ...verdict }));
    },
  };
}

function verifierChanges({ verifierSet, wallets, now, domainOf }: NetworkFixture) {
  /** Signatures over the handover from the current set to another. */
  const signHandover = async (
    members: readonly string[],
    threshold: number,
    validUntil: number,
    signers: readonly Wallet[] = wallets.verifiers.slice(0, 2),
  ): Promise<string> => {
    const epoch = await verifierSet.currentEpoch();
    const current = [...(await verifierSet.members())];
    const value = {
      networkId: await verifierSet.networkId(),
      epoch,
      previousSet: await verifierSet.setHash(current, (await verifierSet.epochs(epoch)).threshold),
      nextSet: await verifierSet.setHash([...members], threshold),
      validUntil,
    };
    return certify(signers, { domain: verifierSetDomain(domainOf("verifierSet")), types: typesOf("Handover"), value });
  };
  /** Hands over to the set named, which begins the next epoch. */
  const handOver = async (
    members: readonly { address: string }[],
    signers?: readonly Wallet[],
  ): Promise<TransactionResponse> => {
    const validUntil = (await now()) + 60;
    const threshold = Math.floor(members.length / 2) + 1;
    const signatures = await signHandover(ascending(members), threshold, validUntil, signers);
    return verifierSet.handover(ascending(members), threshold, validUntil, signatures);
  };
  /** Signatures over how often each verifier was right in an epoch. */
  const signCounts = (
    counts: Parameters<typeof countsTypedData>[0],
    signers: readonly Wallet[] = wallets.verifiers.slice(0, 2),
  ): Promise<string> => certify(signers, countsTypedData(counts, domainOf("settlement")));
  return { signHandover, handOver, signCounts };
}
