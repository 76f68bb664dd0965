import { type ChaosNetwork, startChaosNetwork } from "./chaosNetwork.ts";
import { drawPlan, type TrialPlan } from "./drawPlan.ts";
import type { Finding } from "./judgePayment.ts";
import { fundPayers } from "./payers.ts";
import { beginTrial, type BegunTrial } from "./trial.ts";

/** How a trial ended. */
export interface TrialReport {
  plan: TrialPlan;
  findings: readonly Finding[];
  /** The trials that had begun when it ended: what they broke hit it as well. */
  lastBegun: number;
  /** Where the daemons' logs lie; they stay where something was found. */
  logs: string;
}

/** How many trials may wait for their payments' ends while the next ones begin. */
const WAITING = 12;
const FUNDED_AT_ONCE = 20;

/**
 * Runs trials in the order of their seeds, the next one as soon as the faults of one are healed. After one that found
 * something the rest run on a new network, since whatever is stuck there would be found again and again.
 *
 * @param report - told of each trial when its books are done
 * @param interrupted - ends everything at once
 */
export async function runTrials(
  seeds: readonly number[],
  report: (report: TrialReport) => void,
  interrupted: AbortSignal,
): Promise<void> {
  const goesOn = (): boolean => !interrupted.aborted;
  let left = seeds;
  while (left.length > 0 && goesOn()) {
    const network = await startChaosNetwork();
    const stop = (): void => void network.stop("logs");
    interrupted.addEventListener("abort", stop);
    const found: Finding[] = [];
    try {
      const tell = (ended: TrialReport): void => {
        found.push(...ended.findings);
        if (goesOn()) report(ended);
      };
      const begun = await runOn(network, left, tell, () => found.length === 0 && goesOn());
      left = left.slice(begun);
      interrupted.removeEventListener("abort", stop);
      await network.stop(found.length === 0 ? "nothing" : "logs");
    } catch (error) {
      interrupted.removeEventListener("abort", stop);
      await network.stop("logs");
      if (goesOn()) throw error;
    }
  }
}

/** @returns how many trials were run */
async function runOn(
  { processes, chain, logs }: ChaosNetwork,
  seeds: readonly number[],
  report: (report: TrialReport) => void,
  goesOn: () => boolean,
): Promise<number> {
  const waiting = new Set<Promise<void>>();
  let begun = 0;
  const end = async ({ plan, findings }: BegunTrial): Promise<void> => {
    report({ plan, findings: await findings, lastBegun: seeds[begun - 1] ?? plan.seed, logs });
  };
  for (const seed of seeds) {
    if (!goesOn()) break;
    if (begun % FUNDED_AT_ONCE === 0) {
      await fundPayers(processes.network, chain, seeds.slice(begun, begun + FUNDED_AT_ONCE));
    }
    begun += 1;
    const ended = end(await beginTrial(processes, chain, drawPlan(seed))).finally(() => waiting.delete(ended));
    waiting.add(ended);
    if (waiting.size >= WAITING) await Promise.race(waiting);
  }
  await Promise.all(waiting);
  return begun;
}
