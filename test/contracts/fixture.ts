import hre from "hardhat";
import type { NetworkConnection } from "hardhat/types/network";
import { id, MaxUint256, parseEther, Result as EthersResult, type Signer, Wallet, ZeroHash } from "ethers";
import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import { deployNetwork } from "#deploy/deployNetwork.ts";
import { localAccount, type LocalRole } from "#deploy/localAccounts.ts";
import { parametersOf } from "#deploy/parameters.ts";
import { profileDigest } from "#execution/profile.ts";
import { type Admission, admissionTypedData } from "#protocol/admission.ts";
import { authorizationOf, paymentTypedData, PERMIT2 } from "#protocol/payment.ts";
import { type Result, resultHashOf, resultTypedData } from "#protocol/result.ts";
import { policies, type Task } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";
import { joinSignatures, verdictTypedData } from "#protocol/verdict.ts";

/** The measurement that the network approves from the start. */
export const approvedMeasurement = simulatedMeasurement(profileDigest);

/** What the fixture's payer holds, atomic units. */
export const payerBalance = parseEther("1000");

interface TypedData {
  domain: Parameters<Signer["signTypedData"]>[0];
  types: Parameters<Signer["signTypedData"]>[1];
  value: Parameters<Signer["signTypedData"]>[2];
}

/** Signs typed data as `packages/protocol` makes it. */
export function sign(signer: Pick<Signer, "signTypedData">, { domain, types, value }: TypedData): Promise<string> {
  return signer.signTypedData(domain, types, value);
}

/** Signatures of several over the same typed data, as the contracts take them. */
export async function certify(signers: readonly Wallet[], typedData: TypedData): Promise<string> {
  const signatures = signers.map(async (wallet) => ({
    signer: wallet.address,
    signature: await sign(wallet, typedData),
  }));
  return joinSignatures(await Promise.all(signatures));
}

/** A struct that a contract answered with, by its names; the generated types do not know that ethers can do that. */
export function asObject(struct: object): Record<string, unknown> {
  if (!(struct instanceof EthersResult)) throw new Error("only what a contract answered can be read by its names");
  return struct.toObject(true);
}

/**
 * A network on Hardhat's own chain, deployed as everywhere else, with a payer who holds OPG and has approved Permit2.
 * To be loaded by `connection.networkHelpers.loadFixture(networkFixture)`.
 */
export async function networkFixture(connection: NetworkConnection) {
  const network = await deployForTests(connection);
  const { opg, wallets } = network;
  await opg.connect(wallets.faucet).transfer(wallets.payer.address, payerBalance);
  await opg.connect(wallets.payer).approve(PERMIT2, MaxUint256);
  return { ...network, ...taskMaking(network), ...admissionMaking(network), govern: governing(network) };
}

/** What {@link networkFixture} gives. */
export type NetworkFixture = Awaited<ReturnType<typeof networkFixture>>;

async function deployForTests(connection: NetworkConnection) {
  const parameters = parametersOf("default", approvedMeasurement);
  await catchUp(connection);
  const {
    connected,
    contracts: addresses,
    facilitators: [facilitator],
    deploymentBlock,
    chainId,
  } = await deployNetwork({ hre, connection }, parameters);
  const { provider } = connection.ethers;
  const now = (): Promise<number> => connection.networkHelpers.time.latest();
  const domainOf = (name: keyof typeof addresses): Domain => ({
    chainId: BigInt(chainId),
    verifyingContract: addresses[name],
  });
  const wallets = testWallets(provider);
  return {
    connection,
    provider,
    parameters,
    addresses,
    /** The facilitator's entry at TaskEscrow. */
    entry: facilitator!.entry,
    deploymentBlock,
    chainId,
    wallets,
    now,
    domainOf,
    ...connected,
  };
}

/** The chain's time begins when Hardhat read its configuration, which is minutes ago in a long run. */
async function catchUp({ networkHelpers: { time } }: NetworkConnection): Promise<void> {
  const seconds = Math.floor(Date.now() / 1000);
  if ((await time.latest()) < seconds) await time.increaseTo(seconds);
}

type Deployed = Awaited<ReturnType<typeof deployForTests>>;

function testWallets(provider: NetworkConnection["ethers"]["provider"]) {
  const walletOf = (role: LocalRole): Wallet => new Wallet(localAccount(role).privateKey, provider);
  return {
    deployer: walletOf("deployer"),
    facilitator: walletOf("facilitator"),
    verifiers: [walletOf("verifier1"), walletOf("verifier2"), walletOf("verifier3")] as const,
    operator: walletOf("operator1"),
    payer: walletOf("payer"),
    governor: walletOf("governor"),
    faucet: walletOf("faucet"),
    treasury: walletOf("treasury"),
    /** The enclave's key: it signs and never sends. */
    node: new Wallet(id("the node of the tests")),
    /** Someone the network does not know, with ether of their own. */
    stranger: walletOf("operator2"),
  };
}

function taskMaking({ parameters, addresses, chainId, wallets, now, domainOf, taskEscrow }: Deployed) {
  const makeTask = async (changes: Partial<Task> = {}): Promise<Task> => ({
    payer: wallets.payer.address,
    node: wallets.node.address,
    model: id("version"),
    request: id("request"),
    policy: policies.reExecution,
    maxAmount: parseEther("10"),
    deadline: (await now()) + 300,
    nonce: 0n,
    ...changes,
  });
  const paymentOf = (task: Task) => {
    const { settleWindowSeconds } = parameters;
    const authorization = authorizationOf(task, {
      token: addresses.opg,
      taskEscrow: addresses.taskEscrow,
      settleWindowSeconds,
    });
    return paymentTypedData(authorization, BigInt(chainId));
  };
  const signPayment = (task: Task, signer = wallets.payer): Promise<string> => sign(signer, paymentOf(task));
  /** A task that is open. */
  const openTask = async (changes: Partial<Task> = {}): Promise<Task> => {
    const task = await makeTask(changes);
    await taskEscrow.connect(wallets.facilitator).open(task, await signPayment(task));
    return task;
  };
  /** A result of the node's, with a charge of four tenths of the ceiling. */
  const makeResult = async (task: Task, changes: Partial<Result> = {}): Promise<Result> => ({
    taskId: await taskEscrow.taskIdOf(task),
    response: id("response"),
    payout: wallets.operator.address,
    amount: (task.maxAmount * 4n) / 10n,
    completedAt: await now(),
    ...changes,
  });
  const signResult = (result: Result, signer = wallets.node): Promise<string> =>
    sign(signer, resultTypedData(result, domainOf("settlement")));
  /** Verdicts over a result by the first two verifiers, unless said otherwise. */
  const certifyResult = async (
    result: Result,
    changes: { agrees?: boolean; epoch?: bigint; mode?: number; signers?: readonly Wallet[] } = {},
  ) => {
    const { agrees = true, epoch = 1n, mode = policies.reExecution, signers = wallets.verifiers.slice(0, 2) } = changes;
    const settlement = domainOf("settlement");
    const verdict = { resultHash: resultHashOf(result, settlement), epoch, mode, agrees };
    return { epoch, mode, signatures: await certify(signers, verdictTypedData(verdict, settlement)) };
  };
  return { makeTask, paymentOf, signPayment, openTask, makeResult, signResult, certifyResult };
}

function admissionMaking({ wallets, now, domainOf }: Deployed) {
  const makeAdmission = async (changes: Partial<Admission> = {}): Promise<Admission> => ({
    node: wallets.node.address,
    operator: wallets.operator.address,
    payout: wallets.operator.address,
    measurement: approvedMeasurement,
    tlsKeyHash: id("TLS key"),
    hpkeKeyHash: id("HPKE key"),
    evidenceHash: id("evidence"),
    leaseUntil: (await now()) + 3600,
    sequence: 1,
    epoch: 1n,
    ...changes,
  });
  /** The enclave's signature and all verifiers', unless said otherwise. */
  const signAdmission = async (
    admission: Admission,
    { enclave = wallets.node, signers = wallets.verifiers }: { enclave?: Wallet; signers?: readonly Wallet[] } = {},
  ) => {
    const typedData = admissionTypedData(admission, domainOf("nodeRegistry"));
    return { enclaveSignature: await sign(enclave, typedData), certificate: await certify(signers, typedData) };
  };
  return { makeAdmission, signAdmission };
}

/** Has the governor schedule a call, waits out the delay and executes it. */
function governing({ connection, parameters, wallets, timelock }: Deployed) {
  const byGovernor = timelock.connect(wallets.governor);
  let calls = 0;
  return async ({ to, data }: { to: string; data: string }): Promise<void> => {
    // The timelock takes the same call under the same salt once.
    const salt = id(`call ${(calls += 1)}`);
    await byGovernor.getFunction("schedule")(to, 0, data, ZeroHash, salt, parameters.timelockDelaySeconds);
    await connection.networkHelpers.time.increase(parameters.timelockDelaySeconds);
    await byGovernor.getFunction("execute")(to, 0, data, ZeroHash, salt);
  };
}
