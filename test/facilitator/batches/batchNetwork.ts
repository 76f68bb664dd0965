import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { id, Wallet } from "ethers";
import { AccountsAdapter } from "#chain/accounts.ts";
import { BatchesAdapter } from "#chain/batches.ts";
import type { Call } from "#chain/call.ts";
import { submitCall } from "#chain/submitCall.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { startFacilitator } from "#facilitator/start.ts";
import { type BatchProof, batchProofJson } from "#protocol/batchProof.ts";
import { domainIn } from "#protocol/network.ts";
import type { Result } from "#protocol/result.ts";
import { resultHashOf } from "#protocol/result.ts";
import { signDocument } from "#protocol/signedDocument.ts";
import { releaseTypedData, type SignedRelease, type Task } from "#protocol/task.ts";
import { taskTypedData } from "#protocol/prefunded.ts";
import { signedVerdictJson } from "#protocol/verdict.ts";
import { voucherTypedData } from "#protocol/voucher.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { createLogger } from "#service/logger.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { openVerifierStore, type VerifierStore } from "#store/verifierStore.ts";
import { startVerifier } from "#verifier/start.ts";
import { startFacilitatorNetwork } from "#test/facilitator/facilitatorNetwork.ts";

const PATIENCE_MS = 30_000;
const silent = createLogger("test", "silent");

/** Which verifiers did what with a task. */
export interface Witnesses {
  /** Who judged it; all of them unless named. */
  seenBy?: readonly number[];
  /** Who of these refused its result. */
  refusedBy?: readonly number[];
  /** Whose verdicts are in the certificate; the first two unless named. */
  certifiedBy?: readonly number[];
}

/** A chain, a facilitator's database and three verifiers with theirs, for batches of calls that stores are told of. */
export async function startBatchNetwork() {
  const net = await startFacilitatorNetwork();
  const { network, provider } = net;
  const facilitator = new Wallet(localAccount("facilitator").privateKey, provider);
  const accounts = new AccountsAdapter(network.contracts.taskEscrow, provider);
  const batches = new BatchesAdapter(network.contracts.settlement, provider);
  const [taskEscrow, settlement] = [domainIn(network, "taskEscrow"), domainIn(network, "settlement")];
  const verifiers = await startVerifiers(net);
  const running: Daemon[] = [];
  const send = (wallet: Wallet, call: Call) => submitCall(wallet.connect(provider), call);

  /** A facilitator, its store at hand. Its batches wait for a demand unless variables say otherwise. */
  const start = async (database: string, variables: Record<string, string> = {}) => {
    let store: FacilitatorStore | undefined;
    const environment = { ...(await net.environment(database)), ...variables };
    const daemon = await startFacilitator(environment, {
      openStore: async (url, logger) => (store = await openFacilitatorStore(url, logger)),
    });
    running.push(daemon);
    if (!store) throw new Error("a facilitator opens its store");
    return { daemon, store };
  };

  /** Somebody new with `amount` in an account. */
  const openAccount = async (amount: bigint): Promise<Wallet> => {
    const payer = await net.makePayer(amount);
    await (await net.opg.connect(payer).approve(network.contracts.taskEscrow, amount)).wait();
    await send(payer, accounts.populateDeposit({ payer: payer.address, facilitator: facilitator.address }, amount));
    return payer;
  };

  /** A release of a task that an account pays for. */
  const releaseOf = async (taskId: string): Promise<SignedRelease> => {
    const release = { taskId, paymentDigest: taskId, releasedAt: await now() };
    const signature = await signDocument(facilitator, releaseTypedData(release, taskEscrow));
    return { ...release, facilitator: facilitator.address, signature };
  };
  const now = async (): Promise<number> => (await provider.getBlock("latest"))?.timestamp ?? 0;

  let nonces = 0n;
  /** A call that was answered and certified, in the books of the facilitator and of the verifiers that saw it. */
  const charge = async (
    store: FacilitatorStore,
    payer: Wallet,
    amount: bigint,
    { seenBy = [0, 1, 2], refusedBy = [], certifiedBy = [0, 1] }: Witnesses = {},
    cap = 10n ** 24n,
  ): Promise<string> => {
    const task = await net.makeTask(payer, { nonce: nonces++, maxAmount: amount });
    const taskId = net.taskIdIn(task);
    const release = await releaseOf(taskId);
    const voucher = { payer: payer.address, facilitator: facilitator.address, cap };
    const reserved = await store.reservePrefunded({
      ...{ taskId, task, release, claimedBlock: await provider.getBlockNumber() },
      signature: await signDocument(payer, taskTypedData(task, taskEscrow)),
      voucher: {
        cap,
        signer: payer.address,
        signature: await signDocument(payer, voucherTypedData(voucher, taskEscrow)),
      },
      ...{ authorizers: [payer.address], spent: 0n, funds: cap, unsettledSince: 0 },
    });
    expect(reserved.outcome).to.equal("reserved");
    const result = net.makeResult(task, { amount });
    for (const index of seenBy) await verifiers[index]?.judge(task, release, result, refusedBy.includes(index));
    const signed = await Promise.all(
      certifiedBy.map((index) => net.signVerdict(result, net.verifiers[index] ?? facilitator, true)),
    );
    await store.recordCharge({
      ...{ payer: payer.address, result, nodeSignature: await net.signResult(result), certifiedAt: await now() },
      verdicts: signed.map((verdict) => signedVerdictJson.parse(verdict)),
    });
    return taskId;
  };

  const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
    const lastTry = Date.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (Date.now() > lastTry) throw new Error(`it did not come to pass in time: ${what}`);
      await sleep(50);
    }
  };

  return {
    ...net,
    ...{ facilitator, accounts, batches, verifierDaemons: verifiers, taskEscrow, settlement, now, releaseOf },
    ...{ start, openAccount, charge, until, send },
    /** As an operator does. */
    demand: () => process.emit("SIGUSR2"),
    stopFacilitator: async (daemon: Daemon): Promise<void> => {
      running.splice(running.indexOf(daemon), 1);
      await daemon.stop();
    },
    ended: (store: FacilitatorStore, taskId: string, state: string) =>
      until(`${taskId} is ${state}`, async () => (await store.findTask(taskId))?.state === state),
    accountOf: (payer: Wallet) => accounts.accountOf({ payer: payer.address, facilitator: facilitator.address }),
    settledBatches: () => batches.settledBatches({ fromBlock: network.deploymentBlock }, facilitator.address),
    proofOf: async (daemon: Daemon, taskId: string): Promise<BatchProof> => {
      const response = await fetch(`${daemon.url}/tasks/${taskId}/proof`);
      return batchProofJson.parse(await response.json());
    },
    close: async (): Promise<void> => {
      await Promise.all(running.map((daemon) => daemon.stop()));
      await Promise.all(verifiers.map((verifier) => verifier.stop()));
      await net.close();
    },
  };
}

export type BatchNetwork = Awaited<ReturnType<typeof startBatchNetwork>>;

async function startVerifiers(net: Awaited<ReturnType<typeof startFacilitatorNetwork>>) {
  const { network } = net;
  const settlement = domainIn(network, "settlement");
  return Promise.all(
    net.verifiers.map(async ({ privateKey, address }, index) => {
      const environment = await net.environment(`verifier_${index}`);
      const url = network.verifiers.find((verifier) => verifier.address === address)?.url ?? "";
      const variables = {
        ...environment,
        OPG_PORT: new URL(url).port,
        OPG_VERIFIER_KEY: privateKey,
        OPG_STATE: `${net.folder}/verifier_${index}`,
      };
      const open = () => openVerifierStore(environment["DATABASE_URL"] ?? "", silent);
      const executor = { run: () => Promise.reject(new Error("nothing is run here")), close: () => Promise.resolve() };
      let store: VerifierStore = await open();
      let daemon: Daemon | undefined = await startVerifier(variables, { store, executor });
      /** What it would know of a task that it repeated. */
      const judge = async (task: Task, release: SignedRelease, result: Result, isRefused: boolean): Promise<void> => {
        const { taskId } = result;
        await store.recordCommitment({
          ...{ taskId, task, facilitator: release.facilitator, releasedAt: release.releasedAt },
          ...{ paymentDigest: release.paymentDigest, answers: [{ response: result.response, charge: result.amount }] },
          ...{ salt: id("salt"), commitment: id("commitment"), committedAt: release.releasedAt, signature: "0x01" },
        });
        const reason = isRefused ? ("response_mismatch" as const) : null;
        const resultHash = resultHashOf(result, settlement);
        await store.recordVerdict({ taskId, resultHash, result, reason, expiresAt: task.deadline });
        if (isRefused) await store.recordRefusalDelivery(taskId);
      };
      return {
        ...{ url, judge, address },
        get store() {
          return store;
        },
        stop: async (): Promise<void> => {
          await daemon?.stop();
          daemon = undefined;
        },
        start: async (): Promise<void> => {
          store = await open();
          daemon = await startVerifier(variables, { store, executor });
        },
        /** The same verifier once more, on the same books, before an endpoint of its own. */
        startBehind: async (rpcUrl: string): Promise<Daemon> => {
          const own = { ...variables, OPG_PORT: "0", OPG_RPC_URL: rpcUrl };
          return startVerifier(own, { store: await open(), executor });
        },
      };
    }),
  );
}
