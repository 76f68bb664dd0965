import type { JsonRpcProvider } from "ethers";
import { hasEnded, type Finding, judgePayment } from "./judgePayment.ts";
import { readBooks, readMovements } from "./books.ts";
import type { TrialPlan } from "./drawPlan.ts";
import { inflict } from "./faults/inflict.ts";
import { type MerchantPayment, signPayment } from "./merchantPayment.ts";
import type { ChaosProcesses } from "./processes.ts";
import { holdsWithin, within } from "./within.ts";
import { takePayment } from "./workload.ts";

/** Everything has to have its end so long after the last fault was healed. */
const ENDING_SECONDS = 75;
const HEALING_SECONDS = 90;

/** A trial whose faults are over. */
export interface BegunTrial {
  plan: TrialPlan;
  /** What is wrong once everything had time to end. */
  findings: Promise<Finding[]>;
}

/** Starts a trial's payments and its faults. Resolves when the faults are healed; payments may go on. */
export async function beginTrial(
  processes: ChaosProcesses,
  chain: JsonRpcProvider,
  plan: TrialPlan,
): Promise<BegunTrial> {
  const fromBlock = await chain.getBlockNumber();
  const { network } = processes;
  const payments = await Promise.all(
    plan.payments.map((payment, index) => signPayment(network, plan.seed, index, payment)),
  );
  const { daemons } = processes;
  const replicas = daemons.names.filter((name) => name.startsWith("facilitator")).map((name) => daemons.urlOf(name));
  const taken = Promise.all(payments.map((payment) => takePayment(payment, replicas)));
  taken.catch(() => undefined);
  const healed = Promise.all(plan.faults.map((fault) => inflict(processes, fault)));
  await within(HEALING_SECONDS, `the faults of trial ${plan.seed} to be healed`, healed);
  const findings = taken.then(() => audit(processes, chain, payments, fromBlock));
  findings.catch(() => undefined);
  return { plan, findings };
}

async function audit(
  processes: ChaosProcesses,
  chain: JsonRpcProvider,
  payments: readonly MerchantPayment[],
  fromBlock: number,
): Promise<Finding[]> {
  const { books, network } = processes;
  const allEnded = async (): Promise<boolean> => [...(await readBooks(books, payments)).values()].every(hasEnded);
  await holdsWithin(ENDING_SECONDS, allEnded);
  const mishaps = processes.daemons.takeMishaps().map((words): Finding => ({ kind: "unresolved", words }));
  const [written, moved] = [await readBooks(books, payments), await readMovements(network, chain, payments, fromBlock)];
  const judged = payments.flatMap((payment, index) => {
    const { digest } = payment;
    const book = written.get(digest) ?? { isExposed: false, onTheirWay: 0 };
    const found = judgePayment(payment, book, moved.get(digest) ?? []);
    return found.map(({ kind, words }) => ({ kind, words: `payment ${index + 1} (${digest}): ${words}` }));
  });
  return [...mishaps, ...judged];
}
