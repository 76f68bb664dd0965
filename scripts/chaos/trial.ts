import type { JsonRpcProvider } from "ethers";
import { audit } from "./audit.ts";
import type { Finding } from "./judgePayment.ts";
import type { TrialPlan } from "./drawPlan.ts";
import { inflict } from "./faults/inflict.ts";
import { signPayment } from "./merchantPayment.ts";
import type { ChaosProcesses } from "./processes.ts";
import { within } from "./within.ts";
import { takePayment } from "./workload.ts";

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
  const findings = taken.then(async () => {
    const found = await audit(processes, chain, payments, fromBlock);
    return [...daemons.takeMishaps().map((words): Finding => ({ kind: "unresolved", words })), ...found];
  });
  findings.catch(() => undefined);
  return { plan, findings };
}
