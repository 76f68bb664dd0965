import { OpgError } from "#protocol/errors.ts";
import type { Finding } from "./judgePayment.ts";
import { type ChaosOptions, readChaosOptions } from "./chaosOptions.ts";
import { networkText, trialText } from "./reportText.ts";
import { runTrials, type TrialReport } from "./runTrials.ts";

const startedAt = Date.now();

/** Progress goes to stderr, so that stdout holds what was found alone. */
function progress(line: string): void {
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(0).padStart(5);
  process.stderr.write(`${seconds} s  ${line}\n`);
}

/** Runs the trials and prints what they found. @returns whether that was nothing */
async function run({ trials, seed, json }: ChaosOptions): Promise<boolean> {
  const endings = new Map<string, number>();
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort());
  const counts = { trials: 0, lost: 0, doubled: 0, unresolved: 0, seed };
  const people = json ? process.stderr : process.stdout;
  const count = (findings: readonly Finding[]): void => {
    for (const { kind } of findings) counts[kind] += 1;
  };
  const trial = (ended: TrialReport): void => {
    counts.trials += 1;
    count(ended.findings);
    for (const ending of ended.endings) endings.set(ending, (endings.get(ending) ?? 0) + 1);
    const isSound = ended.findings.length === 0;
    if (!isSound) people.write(`${trialText(ended)}\n`);
    progress(`trial ${ended.plan.seed} ${isSound ? "is sound" : "FAILED"} (${counts.trials} of ${trials})`);
  };
  const network = (findings: readonly Finding[], logs: string): void => {
    count(findings);
    if (findings.length > 0) people.write(`${networkText(findings, logs)}\n`);
  };
  const seeds = Array.from({ length: trials }, (_, index) => seed + index);
  await runTrials(seeds, { trial, network }, interrupted.signal);
  if (interrupted.signal.aborted) progress("interrupted");
  people.write(`${[...endings].map(([ending, times]) => `${times} ${ending}`).join(", ")}\n`);
  const { lost, doubled, unresolved } = counts;
  if (json) process.stdout.write(`${JSON.stringify(counts)}\n`);
  else {
    const from = `${counts.trials} trials from seed ${seed} on`;
    process.stdout.write(`${from}: ${lost} lost, ${doubled} doubled, ${unresolved} unresolved\n`);
  }
  return lost + doubled + unresolved === 0 && !interrupted.signal.aborted;
}

try {
  process.exit((await run(readChaosOptions(process.argv.slice(2)))) ? 0 : 1);
} catch (error) {
  const text = error instanceof OpgError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${text ?? ""}\n`);
  process.exit(1);
}
