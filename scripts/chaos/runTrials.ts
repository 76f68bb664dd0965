import { auditNetwork } from "./auditNetwork.ts";
import { type ChaosNetwork, startChaosNetwork } from "./chaosNetwork.ts";
import { drawPlan, hasTasks, type TrialPlan } from "./drawPlan.ts";
import type { Finding } from "./judgePayment.ts";
import { fundPayers } from "./payers.ts";
import { beginTrial, type BegunTrial, type TrialEnd } from "./trial.ts";

/** How a trial ended. */
export interface TrialReport extends TrialEnd {
  plan: TrialPlan;
  /** The trials that had begun when it ended: what they broke hit it as well. */
  lastBegun: number;
  /** Where the daemons' logs lie; they stay where something was found. */
  logs: string;
}

/** How many trials may wait for their payments' ends while the next ones begin. */
const WAITING = 12;
const FUNDED_AT_ONCE = 20;

/** Who is told what was found. */
export interface Reports {
  /** Told of each trial when its books are done. */
  trial(report: TrialReport): void;
  /** Told what is wrong with a network when all of its trials have ended. */
  network(findings: readonly Finding[], logs: string): void;
}

/**
 * Runs trials in the order of their seeds, the next one as soon as the faults of one are healed. After one that found
 * something the rest run on a new network, since whatever is stuck there would be found again and again.
 *
 * @param interrupted - ends everything at once
 */
export async function runTrials(
  seeds: readonly number[],
  reports: Reports,
  interrupted = new AbortController().signal,
): Promise<void> {
  const goesOn = (): boolean => !interrupted.aborted;
  let left = seeds;
  while (left.length > 0 && goesOn()) {
    const network = await startChaosNetwork(left.some(hasTasks));
    const stop = (): void => void network.stop("logs");
    interrupted.addEventListener("abort", stop);
    const run = new NetworkRun(network, reports, goesOn);
    try {
      left = left.slice(await run.run(left));
    } catch (error) {
      // What ended everything on the way is no finding.
      if (goesOn()) throw error;
    } finally {
      interrupted.removeEventListener("abort", stop);
      await network.stop(run.isSound ? "nothing" : "logs");
    }
  }
}

/** Trials on one network, until one of them finds something. */
class NetworkRun {
  readonly #network: ChaosNetwork;
  readonly #reports: Reports;
  readonly #goesOn: () => boolean;
  readonly #waiting = new Set<Promise<void>>();
  #lastBegun = 0;
  isSound = true;

  constructor(network: ChaosNetwork, reports: Reports, goesOn: () => boolean) {
    this.#network = network;
    this.#reports = reports;
    this.#goesOn = goesOn;
  }

  /** @returns how many trials were run */
  async run(seeds: readonly number[]): Promise<number> {
    const { processes, chain, logs } = this.#network;
    let begun = 0;
    for (const seed of seeds) {
      if (!this.isSound || !this.#goesOn()) break;
      if (begun % FUNDED_AT_ONCE === 0) {
        await fundPayers(processes.network, chain, seeds.slice(begun, begun + FUNDED_AT_ONCE));
      }
      begun += 1;
      this.#lastBegun = seed;
      await this.#begin(seed);
    }
    await Promise.all(this.#waiting);
    const findings = await auditNetwork(processes, chain);
    if (findings.length > 0) this.isSound = false;
    if (this.#goesOn()) this.#reports.network(findings, logs);
    return begun;
  }

  async #begin(seed: number): Promise<void> {
    const trial = await beginTrial(this.#network, drawPlan(seed));
    const ended = this.#end(trial);
    this.#waiting.add(ended);
    // What it fails with is told to whoever waits for all of them; until then nobody does.
    ended.then(
      () => this.#waiting.delete(ended),
      () => undefined,
    );
    if (this.#waiting.size >= WAITING) await Promise.race(this.#waiting);
  }

  async #end({ plan, ended }: BegunTrial): Promise<void> {
    const { findings, endings } = await ended;
    if (findings.length > 0) this.isSound = false;
    if (!this.#goesOn()) return;
    this.#reports.trial({ plan, findings, endings, lastBegun: this.#lastBegun, logs: this.#network.logs });
  }
}
