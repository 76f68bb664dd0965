import { id, JsonRpcProvider, NonceManager, Wallet } from "ethers";
import { AccountsAdapter } from "#chain/accounts.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { domainIn } from "#protocol/network.ts";
import { type Result, resultHashOf } from "#protocol/result.ts";
import { policies, type SignedRelease, type Task, taskIdOf } from "#protocol/task.ts";
import { voucherDigest } from "#protocol/voucher.ts";
import { createLogger } from "#service/logger.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { openVerifierStore, type VerifierStore } from "#store/verifierStore.ts";
import { FUNDS, type BenchNetwork } from "./benchNetwork.ts";

/** Atomic units per call. */
export const CHARGE = 1_000_000n;
const FILLED_AT_ONCE = 64;
const silent = createLogger("bench", "silent");

/** A call that was answered and judged, and is not charged yet. */
export interface AnsweredCall {
  payer: string;
  task: Task;
  result: Result;
}

/** The books of a facilitator and its verifiers, in which calls are written down as if they had been made. */
export interface BatchBooks {
  facilitator: FacilitatorStore;
  /** From now on a batch may take the call's charge. */
  charge(call: AnsweredCall): Promise<void>;
  close(): Promise<void>;
}

/** Puts all that the payers have into accounts at the facilitator. */
export async function fundAccounts({ network, payers }: BenchNetwork): Promise<void> {
  const provider = new JsonRpcProvider(network.rpcUrl, network.chainId, { staticNetwork: true, cacheTimeout: -1 });
  const facilitator = network.facilitators[0]?.address ?? "";
  const accounts = new AccountsAdapter(network.contracts.taskEscrow, provider);
  const approve = `0x095ea7b3${network.contracts.taskEscrow.slice(2).padStart(64, "0")}${"f".repeat(64)}`;
  const sent = payers.map(async ({ address, key }) => {
    const wallet = new NonceManager(new Wallet(key, provider));
    await wallet.sendTransaction({ to: network.contracts.opg, data: approve, gasLimit: 100_000n });
    const deposit = accounts.populateDeposit({ payer: address, facilitator }, FUNDS);
    return (await wallet.sendTransaction({ ...deposit, gasLimit: 200_000n })).wait();
  });
  await Promise.all(sent);
  provider.destroy();
}

/** Opens the books and writes down that many calls of all payers by turns; `nodes` payout addresses earn by turns. */
export async function fillBooks(bench: BenchNetwork, calls: number, nodes: number) {
  const facilitator = await openFacilitatorStore(await bench.databaseUrl("facilitator"), silent);
  const urls = bench.network.verifiers.map((_, index) => bench.databaseUrl(`verifier_${index + 1}`));
  const verifiers = await Promise.all(urls.map(async (url) => openVerifierStore(await url, silent)));
  const answered = Array.from({ length: calls }, (_, index) => answeredCall(bench, index, nodes));
  for (let from = 0; from < calls; from += FILLED_AT_ONCE) {
    const part = answered.slice(from, from + FILLED_AT_ONCE);
    await Promise.all(part.map((call) => writeDown(bench, call, facilitator, verifiers)));
  }
  const books: BatchBooks = {
    facilitator,
    charge: (call) => charge(call, facilitator),
    close: async () => {
      await Promise.all([facilitator, ...verifiers].map((store) => store.close()));
    },
  };
  return { books, answered };
}

function answeredCall({ network, payers }: BenchNetwork, index: number, nodes: number): AnsweredCall {
  const payer = payers[index % payers.length]?.address ?? "";
  const deadline = Math.floor(Date.now() / 1000) + 3600;
  const node = new Wallet(id(`bench node ${index % nodes}`)).address;
  const task: Task = {
    ...{ payer, node, model: id("version"), request: id("request"), policy: policies.reExecution },
    ...{ maxAmount: CHARGE, deadline, nonce: BigInt(index) },
  };
  const taskId = taskIdOf(task, domainIn(network, "taskEscrow"));
  return {
    payer,
    task,
    result: { taskId, response: id("response"), payout: node, amount: CHARGE, completedAt: deadline },
  };
}

async function writeDown(
  bench: BenchNetwork,
  { payer, task, result }: AnsweredCall,
  facilitator: FacilitatorStore,
  verifiers: readonly VerifierStore[],
): Promise<void> {
  const { taskId } = result;
  const { signingKey } = new Wallet(bench.payers.find(({ address }) => address === payer)?.key ?? "");
  const at = { address: localAccount("facilitator").address, releasedAt: task.deadline - 60 };
  const released = { facilitator: at.address, releasedAt: at.releasedAt, paymentDigest: taskId };
  const release: SignedRelease = { ...released, taskId, signature: "0x" };
  const voucher = voucherDigest({ payer, facilitator: at.address, cap: FUNDS }, domainIn(bench.network, "taskEscrow"));
  await facilitator.reservePrefunded({
    ...{ taskId, task, release, claimedBlock: 0, signature: signingKey.sign(taskId).serialized },
    voucher: { cap: FUNDS, signer: payer, signature: signingKey.sign(voucher).serialized },
    ...{ authorizers: [payer], spent: 0n, funds: FUNDS, unsettledSince: 0 },
  });
  const own = { answers: [{ response: result.response, charge: result.amount }], salt: id("salt") };
  const committed = { commitment: id("commitment"), committedAt: at.releasedAt, signature: "0x" };
  const resultHash = resultHashOf(result, domainIn(bench.network, "settlement"));
  const verdict = { taskId, resultHash, result, reason: null, expiresAt: task.deadline };
  await Promise.all(
    verifiers.map(async (store) => {
      await store.recordCommitment({ taskId, task, ...released, ...own, ...committed });
      await store.recordVerdict(verdict);
    }),
  );
}

async function charge({ payer, result }: AnsweredCall, facilitator: FacilitatorStore): Promise<void> {
  const certifiedAt = Math.floor(Date.now() / 1000);
  await facilitator.recordCharge({ payer, result, nodeSignature: "0x", verdicts: [], certifiedAt });
}
