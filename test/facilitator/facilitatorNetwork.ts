import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import {
  type ContractTransactionResponse,
  id,
  JsonRpcProvider,
  MaxUint256,
  NonceManager,
  type Signer,
  Wallet,
} from "ethers";
import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import { type MeasurementWindow, NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { TimelockAdapter } from "#chain/timelock.ts";
import { localAccount, type LocalRole } from "#deploy/localAccounts.ts";
import { profileDigest } from "#execution/profile.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import { authorizationOf, authorizationToJson, paymentTypedData, PERMIT2 } from "#protocol/payment.ts";
import { type Result, resultHashOf, resultToJson, resultTypedData } from "#protocol/result.ts";
import { policies, type Task, taskIdOf, taskToJson } from "#protocol/task.ts";
import { typesOf, verifierSetDomain } from "#protocol/typedData.ts";
import { joinSignatures, refusalTypedData, verdictTypedData } from "#protocol/verdict.ts";
import { admitNode } from "#scripts/network/admitNode.ts";
import { deployLocally } from "#scripts/network/deployLocally.ts";
import { describeNetwork } from "#scripts/network/describeNetwork.ts";
import { freePorts } from "#scripts/network/places.ts";
import { startChain } from "#scripts/network/startChain.ts";
import { govern } from "#tasks/govern.ts";
import { miningOn } from "#test/chain/mining.ts";
import { rejection } from "#test/execution/rejection.ts";
import { testDatabases } from "#test/store/testDatabases.ts";
import { OPG__factory, Settlement__factory, TaskEscrow__factory, VerifierSet__factory } from "#typechain/index.ts";

/** As often as a facilitator looks for a new one. */
const BLOCK_TIME_SECONDS = 0.25;

const walletOf = (role: LocalRole): Wallet => new Wallet(localAccount(role).privateKey);
const verifiers = [walletOf("verifier1"), walletOf("verifier2"), walletOf("verifier3")] as const;
const node = new Wallet(id("the node of the facilitator's tests"));

/** A real chain with the network on it and a real PostgreSQL, for a facilitator alone. */
export async function startFacilitatorNetwork() {
  const folder = mkdtempSync(join(tmpdir(), "opg-facilitator-"));
  const ports = await freePorts(0, 3);
  const chainOptions = {
    port: ports.chain,
    host: "127.0.0.1",
    stateFolder: join(folder, "chain"),
    blockTimeSeconds: BLOCK_TIME_SECONDS,
    chainId: 31_337,
  };
  const [chain, databases] = await Promise.all([
    startChain({ ...chainOptions, logFile: join(folder, "chain.log") }),
    testDatabases(),
  ]);
  const deployment = await deployLocally(chain.url, folder, {});
  const network = describeNetwork({ name: "test", rpcUrl: chain.url, host: "127.0.0.1", ports, ...deployment });
  const networkFile = join(folder, "network.json");
  writeFileSync(networkFile, JSON.stringify(network));
  const provider = new JsonRpcProvider(chain.url, 31_337, {
    staticNetwork: true,
    cacheTimeout: -1,
    pollingInterval: 100,
  });
  await admitNode(network, provider, node);
  const mining = miningOn(provider, BLOCK_TIME_SECONDS);
  const base = {
    network,
    provider,
    mining,
    ...contractsOf(network, new NonceManager(walletOf("faucet").connect(provider))),
  };
  return {
    folder,
    ...base,
    ...mining,
    ...payersOn(base),
    ...evidenceOn(network),
    ...settlingOn(base),
    ...governingOn(base),
    /** Variables of a facilitator with a database of its own name. */
    environment: async (databaseName: string): Promise<Record<string, string>> => ({
      OPG_NETWORK: networkFile,
      OPG_PORT: "0",
      OPG_LOG_LEVEL: "silent",
      DATABASE_URL: await databases.urlFor(databaseName),
      OPG_FACILITATOR_KEY: localAccount("facilitator").privateKey,
    }),
    stopChain: () => chain.stop(),
    close: async (): Promise<void> => {
      mining.endMining();
      provider.destroy();
      await chain.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

export type FacilitatorNetwork = Awaited<ReturnType<typeof startFacilitatorNetwork>>;

function contractsOf({ contracts }: Network, faucet: Signer) {
  return {
    opg: OPG__factory.connect(contracts.opg, faucet),
    escrow: TaskEscrow__factory.connect(contracts.taskEscrow, faucet),
  };
}

type Base = ReturnType<typeof contractsOf> & {
  network: Network;
  provider: JsonRpcProvider;
  mining: ReturnType<typeof miningOn>;
};

function payersOn({ network, provider, opg, mining }: Base) {
  let payers = 0;
  const { settleWindowSeconds } = network.parameters;
  const terms = { token: network.contracts.opg, taskEscrow: network.contracts.taskEscrow, settleWindowSeconds };
  /** Waits for no block of the chain's own. */
  const inOneBlock = async (sending: readonly Promise<ContractTransactionResponse>[]): Promise<void> => {
    const sent = await Promise.all(sending);
    await mining.mine();
    await Promise.all(sent.map((transaction) => transaction.wait()));
  };
  /** Somebody new, with `balance` atomic units of OPG, ether for gas, and an allowance for Permit2. */
  const makePayer = async (balance: bigint): Promise<Wallet> => {
    const payer = new Wallet(id(`payer ${payers++}`), provider);
    await provider.send("anvil_setBalance", [payer.address, "0xde0b6b3a7640000"]);
    await inOneBlock([opg.transfer(payer.address, balance), opg.connect(payer).approve(PERMIT2, MaxUint256)]);
    return payer;
  };
  /** Somebody new with OPG and nothing else. */
  const makePoorPayer = async (balance: bigint): Promise<Wallet> => {
    const payer = new Wallet(id(`payer ${payers++}`), provider);
    await inOneBlock([opg.transfer(payer.address, balance)]);
    return payer;
  };
  const makeTask = async (payer: Wallet, changes: Partial<Task> = {}): Promise<Task> => ({
    payer: payer.address,
    node: node.address,
    model: id("version"),
    request: id("request"),
    policy: policies.reExecution,
    maxAmount: 1000n,
    deadline: ((await provider.getBlock("latest"))?.timestamp ?? 0) + 120,
    nonce: 0n,
    ...changes,
  });
  /** Body of `POST /tasks`, signed by `payer` unless a signature is given. */
  const payFor = async (payer: Wallet, task: Task, signature?: string) => {
    const authorization = authorizationOf(task, terms);
    const { domain, types, value } = paymentTypedData(authorization, BigInt(network.chainId));
    const requirements = {
      scheme: "task",
      network: `eip155:${network.chainId}`,
      amount: task.maxAmount.toString(),
      asset: terms.token,
      payTo: terms.taskEscrow,
      maxTimeoutSeconds: 120,
      extra: {
        task: taskToJson(task),
        salt: id("salt"),
        facilitator: walletOf("facilitator").address,
        settleWindowSeconds,
      },
    };
    const payload = {
      signature: signature ?? (await payer.signTypedData(domain, types, value)),
      permit2Authorization: authorizationToJson(authorization),
    };
    const paymentPayload = {
      x402Version: 2,
      resource: { url: "http://test/v1/infer" },
      accepted: requirements,
      payload,
    };
    return { x402Version: 2, paymentPayload, paymentRequirements: requirements };
  };
  const taskIdIn = (task: Task): string => taskIdOf(task, domainIn(network, "taskEscrow"));
  return { makePayer, makePoorPayer, makeTask, payFor, taskIdIn };
}

/** Settlement by the faucet, who has no part in it. */
function settlingOn({ network, opg }: Base) {
  const { signResult, certify } = evidenceOn(network);
  const settlement = Settlement__factory.connect(network.contracts.settlement, opg.runner);
  const verifierSet = VerifierSet__factory.connect(network.contracts.verifierSet, opg.runner);
  return {
    /** The set hands over to itself with another threshold. */
    handOver: async (threshold: number): Promise<void> => {
      const members = verifiers.map(({ address }) => address).sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
      const [epoch, networkId] = [await verifierSet.currentEpoch(), await verifierSet.networkId()];
      const previousSet = await verifierSet.setHash(members, (await verifierSet.epochs(epoch)).threshold);
      const nextSet = await verifierSet.setHash(members, threshold);
      const handover = { networkId, epoch, previousSet, nextSet, validUntil: 2 ** 40 - 1 };
      const domain = verifierSetDomain(domainIn(network, "verifierSet"));
      const signing = verifiers.map(async (verifier) => ({
        signer: verifier.address,
        signature: await verifier.signTypedData(domain, typesOf("Handover"), handover),
      }));
      const signatures = joinSignatures(await Promise.all(signing));
      await (await verifierSet.handover(members, threshold, handover.validUntil, signatures)).wait();
    },
    settle: async (task: Task, result: Result): Promise<void> => {
      const { verdicts } = await certify(result);
      const signatures = joinSignatures(verdicts.map(({ verifier, signature }) => ({ signer: verifier, signature })));
      const certificate = { epoch: 1n, mode: policies.reExecution, signatures };
      await (await settlement.settle(task, result, await signResult(result), certificate)).wait();
    },
  };
}

/** As people do it: a call is scheduled, and executed once it has waited. */
function governingOn({ network, provider }: Base) {
  const { contracts, deploymentBlock } = network;
  const governor = localAccount("governor").connect(provider);
  const timelock = new TimelockAdapter(contracts.timelock, provider);
  const nodeRegistry = new NodeRegistryAdapter(contracts.nodeRegistry, provider, deploymentBlock);
  const chainSeconds = async (): Promise<number> => (await provider.getBlock("latest"))?.timestamp ?? 0;
  return {
    /** Sets the window of the measurement that the node runs under. */
    setMeasurement: async (window: MeasurementWindow, moveTime: (seconds: number) => Promise<void>): Promise<void> => {
      const call = nodeRegistry.populateSetMeasurement(simulatedMeasurement(profileDigest), window);
      const step = async () => govern(timelock, governor, call, await chainSeconds());
      const stranger = localAccount("payer").connect(provider);
      const error = await rejection(govern(timelock, stranger, call, await chainSeconds()));
      expect(error.message).to.match(
        /^0x\w{40} may not propose to the timelock; have somebody who may send 0x\w+ to 0x\w{40}/,
      );
      expect(await step()).to.match(/^Scheduled in block \d+ .*run the same command again in 60 s/);
      expect(await step()).to.match(/^Waits until 20/);
      await moveTime(61);
      expect(await step()).to.match(/^Executed in block/);
    },
  };
}

function evidenceOn(network: Network) {
  const settlement = domainIn(network, "settlement");
  const makeResult = (task: Task, changes: Partial<Result> = {}): Result => ({
    taskId: taskIdOf(task, domainIn(network, "taskEscrow")),
    response: id("response"),
    payout: walletOf("operator1").address,
    amount: 400n,
    completedAt: task.deadline - 60,
    ...changes,
  });
  const signVerdict = async (result: Result, verifier: Wallet, agrees: boolean, epoch = 1) => {
    const resultHash = resultHashOf(result, settlement);
    const verdict = verdictTypedData(
      { resultHash, epoch: BigInt(epoch), mode: policies.reExecution, agrees },
      settlement,
    );
    const refusal = refusalTypedData(resultHash, "response_mismatch", settlement);
    return {
      verifier: verifier.address,
      resultHash,
      epoch,
      mode: policies.reExecution,
      agrees,
      signature: await verifier.signTypedData(verdict.domain, verdict.types, verdict.value),
      ...(agrees
        ? {}
        : {
            reason: "response_mismatch",
            reasonSignature: await verifier.signTypedData(refusal.domain, refusal.types, refusal.value),
          }),
      opening: { response: result.response, salt: id("opening") },
    };
  };
  const signResult = (result: Result, signer: Wallet = node): Promise<string> => {
    const { domain, types, value } = resultTypedData(result, settlement);
    return signer.signTypedData(domain, types, value);
  };
  /** Body of `POST /tasks/{taskId}/certificate`, by two verifiers unless named. */
  const certify = async (result: Result, signers: readonly Wallet[] = verifiers.slice(0, 2)) => ({
    result: resultToJson(result),
    nodeSignature: await signResult(result),
    verdicts: await Promise.all(signers.map((verifier) => signVerdict(result, verifier, true))),
  });
  /** Body of `POST /tasks/{taskId}/refusals`. */
  const refuse = async (result: Result, verifier: Wallet) => ({
    result: resultToJson(result),
    verdict: await signVerdict(result, verifier, false),
  });
  return { verifiers, node, makeResult, signVerdict, signResult, certify, refuse };
}
