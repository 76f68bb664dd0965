import { Counter, type Registry } from "prom-client";
import { OpgError } from "#protocol/errors.ts";

/** Passes work on, and counts how it ends. */
export type OutcomeCounter = <Outcome>(work: Promise<Outcome>) => Promise<Outcome>;

/** Registers a counter of how some kind of work ends: `done`, or the code of the error that ended it. */
export function countOutcomes(registry: Registry, name: string, help: string): OutcomeCounter {
  const counter = new Counter({ name, help, labelNames: ["outcome"], registers: [registry] });
  return async (work) => {
    try {
      const outcome = await work;
      counter.inc({ outcome: "done" });
      return outcome;
    } catch (error) {
      counter.inc({ outcome: error instanceof OpgError ? error.code : "internal" });
      throw error;
    }
  };
}
