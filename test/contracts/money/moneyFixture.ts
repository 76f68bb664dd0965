import { network } from "hardhat";
import { id, type TransactionResponse, Wallet, ZeroAddress } from "ethers";
import type { CapturedPayment } from "#chain/settlement.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { proxyAddresses, type ProxyAuthorization, proxyTypedData } from "#protocol/proxyPayment.ts";
import type { Result } from "#protocol/result.ts";
import type { Task } from "#protocol/task.ts";
import { countsTypedData } from "#protocol/verdict.ts";
import { typesOf, verifierSetDomain } from "#protocol/typedData.ts";
import { certify, type NetworkFixture, networkFixture, sign } from "#test/contracts/fixture.ts";

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
  const facilitatorEntry = await ethers.getContractAt("FacilitatorEntry", deployed.entry);
  const paid = { ...payments(deployed), ...endings(deployed), ...verifierChanges(deployed) };
  return { ...deployed, permit2, facilitatorEntry, ...paid };
}

/** The contracts, fresh for each test. */
export function loadMoney(): Promise<Money> {
  return networkHelpers.loadFixture(moneyFixture);
}

function payments({
  parameters,
  addresses,
  chainId,
  entry,
  wallets,
  makeTask,
  signPayment,
  taskEscrow,
}: NetworkFixture) {
  /** What a stock client signs for a task: x402's `upto` by the facilitator's entry. */
  const uptoOf = (task: Task, changes: Partial<ProxyAuthorization> = {}): ProxyAuthorization => ({
    from: task.payer,
    permitted: { token: addresses.opg, amount: task.maxAmount },
    spender: proxyAddresses.upto,
    nonce: task.nonce,
    deadline: BigInt(task.deadline + parameters.settleWindowSeconds),
    witness: { to: addresses.taskEscrow, facilitator: entry, validAfter: 0n },
    ...changes,
  });
  const signUpto = (authorization: ProxyAuthorization, signer = wallets.payer): Promise<string> =>
    sign(signer, proxyTypedData("upto", authorization, BigInt(chainId)));
  /** A task that is open, by `upto`. */
  const openTaskUpto = async (changes: Partial<Task> = {}): Promise<Task> => {
    const task = await makeTask(changes);
    const { address } = wallets.facilitator;
    await taskEscrow.connect(wallets.facilitator).openUpto(task, address, 0n, await signUpto(uptoOf(task)));
    return task;
  };
  /** A payment for a capture, by the way of its name. */
  const paymentBy = {
    witness: async (task: Task): Promise<CapturedPayment> => ({
      facilitator: ZeroAddress,
      validAfter: 0n,
      signature: await signPayment(task),
    }),
    upto: async (task: Task, changes: Partial<ProxyAuthorization> = {}): Promise<CapturedPayment> => {
      const authorization = uptoOf(task, changes);
      const { validAfter } = authorization.witness;
      return { facilitator: wallets.facilitator.address, validAfter, signature: await signUpto(authorization) };
    },
  };
  return { uptoOf, signUpto, openTaskUpto, paymentBy };
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
    /** Captures a task, submitted by the facilitator unless said otherwise. */
    capture: async (
      task: Task,
      payment: CapturedPayment,
      changes: Partial<Result> = {},
      { by = wallets.facilitator, ...verdict }: VerdictChanges & { by?: Wallet } = {},
    ): Promise<TransactionResponse> => {
      const result = await makeResult(task, changes);
      const certificate = await certifyResult(result, verdict);
      return settlement.connect(by).capture(task, result, await signResult(result), certificate, payment);
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
