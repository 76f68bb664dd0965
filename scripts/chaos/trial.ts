import { awaitNodes } from "#scripts/network/readiness.ts";
import { audit } from "./audit.ts";
import { readBooks } from "./books.ts";
import type { ChaosNetwork } from "./chaosNetwork.ts";
import type { TaskPlan, TrialPlan } from "./drawPlan.ts";
import { inflict } from "./faults/inflict.ts";
import type { Finding } from "./judgePayment.ts";
import { type MerchantPayment, signPayment } from "./merchantPayment.ts";
import type { ChaosProcesses } from "./processes.ts";
import { accountOf } from "./payers.ts";
import { type Asked, buyTask, type TaskPurchase } from "./taskPurchase.ts";
import { within } from "./within.ts";
import { takePayment } from "./workload.ts";

const HEALING_SECONDS = 90;

/** What became of a trial. */
export interface TrialEnd {
  /** What is wrong once everything had time to end. */
  findings: Finding[];
  /** How each payment and task ended, in a word or two: a trial that nothing came through proves little. */
  endings: string[];
}

/** A trial whose faults are over. */
export interface BegunTrial {
  plan: TrialPlan;
  ended: Promise<TrialEnd>;
}

/** Starts a trial's payments and its faults. Resolves when the faults are healed; payments may go on. */
export async function beginTrial({ processes, chain, asked }: ChaosNetwork, plan: TrialPlan): Promise<BegunTrial> {
  const { network, daemons } = processes;
  const { seed } = plan;
  const fromBlock = await chain.getBlockNumber();
  const payments = await Promise.all(plan.payments.map((payment, index) => signPayment(network, seed, index, payment)));
  if (asked && plan.tasks.length > 0) await awaitNodes(processes, asked.versionId, 1);

  const facilitators = daemons.names.filter((name) => name.startsWith("facilitator"));
  const replicas = facilitators.map((name) => daemons.urlOf(name));
  const taken = Promise.all(payments.map((payment) => takePayment(payment, replicas)));
  const buy = (task: TaskPlan, index: number, what: Asked): Promise<TaskPurchase> =>
    buyTask(network, accountOf(seed, "customer", index), task, what);
  const bought = Promise.all(asked ? plan.tasks.map((task, index) => buy(task, index, asked)) : []);
  for (const begun of [taken, bought]) begun.catch(() => undefined);
  // The hub is asked once, when a model is loaded.
  const targets = plan.tasks.length > 0 ? daemons.names.filter((name) => name !== "hub") : facilitators;
  const healed = Promise.all(plan.faults.map((fault) => inflict(processes, fault, targets)));
  await within(HEALING_SECONDS, `the faults of trial ${seed} to be healed`, healed);
  const ended = Promise.all([taken, bought]).then(async ([, purchases]): Promise<TrialEnd> => {
    const found = await audit(processes, chain, { payments, purchases, fromBlock });
    const mishaps = daemons.takeMishaps().map((words): Finding => ({ kind: "unresolved", words }));
    return { findings: [...mishaps, ...found], endings: await endingsOf(processes, payments, purchases) };
  });
  ended.catch(() => undefined);
  return { plan, ended };
}

async function endingsOf(
  { books }: ChaosProcesses,
  payments: readonly MerchantPayment[],
  purchases: readonly TaskPurchase[],
): Promise<string[]> {
  const written = [...(await readBooks(books, payments)).values()];
  return [
    ...written.map(({ state }) => `payments ${state ?? "refused"}`),
    ...purchases.map(({ answered }) => `tasks ${answered === undefined ? "not answered" : "answered"}`),
  ];
}
