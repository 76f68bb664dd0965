import type { Finding } from "./judgePayment.ts";
import type { TrialReport } from "./runTrials.ts";

/** What a trial found, for people: in words and figures, and how to have it again. */
export function trialText({ plan, findings, lastBegun, logs }: TrialReport): string {
  const { seed, payments, tasks, faults } = plan;
  const beside = lastBegun - seed;
  return [
    `trial ${seed} FAILED`,
    ...findings.map(({ kind, words }) => `  ${kind}: ${words}`),
    ...faults.map((fault) => `  fault: ${JSON.stringify(fault)}`),
    ...payments.map((payment, index) => `  payment ${index + 1}: ${JSON.stringify(payment)}`),
    ...tasks.map((task, index) => `  task ${index + 1}: ${JSON.stringify(task)}`),
    `  logs: ${logs}`,
    `  again: npm run chaos -- --seed ${seed} --trials 1 (how the processes race is not in the seed)`,
    ...(beside > 0
      ? [
          `  Until it ended, ${beside} more trials began, and their faults hit it too: --seed ${seed} --trials ${beside + 1}`,
        ]
      : []),
  ].join("\n");
}

/** What was found when all trials of a network had ended. */
export function networkText(findings: readonly Finding[], logs: string): string {
  const words = findings.map(({ kind, words }) => `  ${kind}: ${words}`);
  return ["after all trials of a network", ...words, `  logs: ${logs}`].join("\n");
}
