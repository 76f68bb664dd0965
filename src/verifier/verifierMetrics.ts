import { Counter, type Registry } from "prom-client";
import type { RefusalReason } from "#protocol/verdict.ts";
import { countOutcomes, type OutcomeCounter } from "#service/countOutcomes.ts";

/** What a verifier counts. */
export interface VerifierMetrics {
  countExecution: OutcomeCounter;
  /** Counts a verdict, which agrees where there is no reason. */
  countVerdict: (reason: RefusalReason | null) => void;
}

/** Registers what a verifier counts. */
export function verifierMetrics(registry: Registry): VerifierMetrics {
  const verdicts = new Counter({
    name: "opg_verdicts_total",
    help: "Results judged, by verdict: agrees, or the reason of a refusal.",
    labelNames: ["verdict"],
    registers: [registry],
  });
  return {
    countExecution: countOutcomes(registry, "opg_executions_total", "Tasks repeated, by outcome."),
    countVerdict: (reason) => verdicts.inc({ verdict: reason ?? "agrees" }),
  };
}
