import { setTimeout as sleep } from "node:timers/promises";
import { JsonRpcProvider } from "ethers";
import { AccountsAdapter } from "#chain/accounts.ts";
import { BatchesAdapter, type SettledBatch } from "#chain/batches.ts";
import { batchProofJson, checkBatchProof } from "#protocol/batchProof.ts";
import { domainIn } from "#protocol/network.ts";
import type { StoredBatch } from "#store/facilitatorBatches.ts";
import { type AnsweredCall, type BatchBooks, CHARGE, fillBooks, fundAccounts } from "./batchBooks.ts";
import { type BenchNetwork, startBenchNetwork } from "./benchNetwork.ts";
import type { Figure } from "./figures.ts";
import { machineSeconds } from "./processorTime.ts";

/** How much is measured. */
export interface BatchScale {
  receipts: number;
  payers: number;
  nodes: number;
}

/** When what was seen, in milliseconds. */
interface Stages {
  charged: number;
  built: number;
  certified: number;
  settled: number;
}

const LOOK_MS = 20;
const PATIENCE_MS = 300_000;
const AIM_SECONDS = 20;
/** Of a signature in a certificate. */
const SIGNATURE_DIGITS = 130;

const scale: BatchScale = { receipts: 10_000, payers: 100, nodes: 8 };

/**
 * A batch as large as they may be: built, certified by three verifiers and settled, all as processes of their own.
 *
 * @throws Error where not everything is settled, or not provably
 */
export async function measure(progress: (line: string) => void): Promise<Figure[]> {
  const stack = new AsyncDisposableStack();
  try {
    const bench = await startBenchNetwork(scale.payers, progress);
    stack.defer(() => bench.stop());
    progress("accounts");
    await fundAccounts(bench);
    progress(`${scale.receipts} calls in the books of the facilitator and of three verifiers`);
    const { books, answered } = await fillBooks(bench, scale.receipts, scale.nodes);
    stack.defer(() => books.close());
    for (const ordinal of [1, 2, 3] as const) await bench.start(`verifier-${ordinal}`);
    const [last, ...others] = answered;
    await Promise.all(others.map((call) => books.charge(call)));
    const { url } = await bench.start("facilitator", { env: { OPG_BATCH_RECEIPTS: String(scale.receipts) } });
    if (!last) throw new Error("a batch has a receipt");
    progress("the last charge, and its batch");
    return await settle(bench, books, last, scale, url);
  } finally {
    await stack.disposeAsync();
  }
}

async function settle(
  bench: BenchNetwork,
  books: BatchBooks,
  last: AnsweredCall,
  scale: BatchScale,
  url: string,
): Promise<Figure[]> {
  const busyBefore = machineSeconds();
  const charged = performance.now();
  await books.charge(last);
  const { stages, batch } = await watch(books, last.result.taskId, charged);
  const busy = machineSeconds() - busyBefore;
  const proving = performance.now();
  const proof = batchProofJson.parse(await (await fetch(`${url}/tasks/${last.result.taskId}/proof`)).json());
  const proved = performance.now();
  const { provider, settled } = await onChain(bench, batch, scale);
  if (!checkBatchProof(proof, domainIn(bench.network, "settlement")).ok) throw new Error("the proof proves nothing");
  const gasUsed = (await provider.getTransactionReceipt(settled.transactionHash))?.gasUsed ?? 0n;
  provider.destroy();
  const name = `${scale.receipts} receipts of ${scale.payers} payers`;
  const seconds = (figure: string, from: number, to: number, target: number | null = null): Figure => {
    return { figure, unit: "s", ours: (to - from) / 1000, peer: null, target, better: "lower" };
  };
  const plain = { peer: null, target: null, better: "lower" as const };
  return [
    seconds(`${name}: built, certified by 3 verifiers, settled`, charged, stages.settled, AIM_SECONDS),
    seconds("until it is built", charged, stages.built),
    seconds("until three have signed it", stages.built, stages.certified),
    seconds("until a block has it and every call is settled", stages.certified, stages.settled),
    { figure: "cores used by everybody", unit: "cores", ours: (1000 * busy) / (stages.settled - charged), ...plain },
    {
      figure: "gas per receipt, in the first batch of all",
      unit: "gas",
      ours: Number(gasUsed) / scale.receipts,
      ...plain,
    },
    seconds("the first proof from it", proving, proved),
  ];
}

/** Looks at the facilitator's database until the batch with a call is settled. */
async function watch(
  { facilitator }: BatchBooks,
  taskId: string,
  charged: number,
): Promise<{ stages: Stages; batch: StoredBatch }> {
  const stages: Partial<Stages> = { charged };
  let batch: StoredBatch | undefined;
  while (stages.settled === undefined) {
    if (performance.now() - charged > PATIENCE_MS) throw new Error("the batch is not settled in time");
    const [unfinished] = await facilitator.unfinishedBatches();
    const settled = unfinished ? undefined : await facilitator.settledBatchOf(taskId);
    batch = settled ?? unfinished ?? batch;
    const now = performance.now();
    if (batch) stages.built ??= now;
    if (batch && batch.state !== "building") stages.certified ??= now;
    if (batch?.state === "settled") stages.settled = now;
    await sleep(LOOK_MS);
  }
  if (!batch) throw new Error("a settled batch was seen");
  return { stages: stages as Stages, batch };
}

/** What was measured has to have happened. */
async function onChain(
  { network, payers }: BenchNetwork,
  { batchId, batch, signatures }: StoredBatch,
  scale: BatchScale,
): Promise<{ provider: JsonRpcProvider; settled: SettledBatch }> {
  const provider = new JsonRpcProvider(network.rpcUrl, network.chainId, { staticNetwork: true, cacheTimeout: -1 });
  const batches = new BatchesAdapter(network.contracts.settlement, provider);
  const settled = await batches.settledBatch(batchId, { fromBlock: network.deploymentBlock });
  const accounts = new AccountsAdapter(network.contracts.taskEscrow, provider);
  const read = payers.map(({ address: payer }) => accounts.accountOf({ payer, facilitator: batch.facilitator }));
  const spent = (await Promise.all(read)).reduce((sum, account) => sum + account.spent, 0n);
  if (settled?.receipts !== BigInt(scale.receipts) || spent !== BigInt(scale.receipts) * CHARGE) {
    throw new Error(`the chain has ${settled?.receipts ?? 0n} receipts and ${spent} charged`);
  }
  const signed = ((signatures?.length ?? 2) - 2) / SIGNATURE_DIGITS;
  if (signed !== network.verifiers.length) throw new Error(`${signed} verifiers have signed`);
  return { provider, settled };
}
