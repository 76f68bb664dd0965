import fc, { type Arbitrary } from "fast-check";
import { id } from "ethers";
import { faultArbitrary, type FaultPlan } from "./faults/faultPlan.ts";

/** One payment of a merchant's customer, and how its merchant goes about it. */
export interface PaymentPlan {
  /** Which of the trial's payers pays, and which of its merchants is paid. */
  payer: number;
  merchant: number;
  scheme: "exact" | "upto";
  /** Signed ceiling, atomic units. */
  amount: number;
  /** Of the ceiling, what the merchant asks for under `upto`. */
  settledPercent: number;
  /** What of x402's two calls the merchant makes. */
  calls: "verify and settle" | "verify" | "settle";
  /** How often the same call is sent at once, from which replica on; the copies take turns among the replicas. */
  copies: number;
  verifyAt: number;
  settleAt: number;
  /** When the payment arrives after the trial's begin, and how long it is served. */
  startMs: number;
  serveMs: number;
  /** How long the authorization holds. */
  validSeconds: number;
}

/** A request to the network's own nodes, and how it is paid. */
export interface TaskPlan {
  scheme: "task" | "upto";
  startMs: number;
}

/** Everything that is random about a trial, except how the machine divides its time. */
export interface TrialPlan {
  seed: number;
  payments: readonly PaymentPlan[];
  /** Only in some trials: they take longer, and every daemon is in them. */
  tasks: readonly TaskPlan[];
  faults: readonly FaultPlan[];
}

export const PAYERS = 3;
export const MERCHANTS = 2;
export const MOST_TASKS = 2;
/** One trial in so many has tasks in it. */
const TASKS_EVERY = 10;

/** One in so many payments is never settled: it has to lapse. */
const NEVER_SETTLED = 1;
const OTHERS = 11;

/** A facilitator wants 6 seconds at least. What is never settled lapses soon then. */
const SHORTEST_SECONDS = 8;

const payment: Arbitrary<PaymentPlan> = fc
  .record({
    payer: fc.nat(PAYERS - 1),
    merchant: fc.nat(MERCHANTS - 1),
    scheme: fc.constantFrom("exact", "upto"),
    amount: fc.integer({ min: 1, max: 10 }).map((hundreds) => hundreds * 100),
    settledPercent: fc.constantFrom(0, 1, 30, 100, 100),
    calls: fc.oneof(
      { weight: OTHERS - 2, arbitrary: fc.constant("verify and settle" as const) },
      { weight: 2, arbitrary: fc.constant("settle" as const) },
      { weight: NEVER_SETTLED, arbitrary: fc.constant("verify" as const) },
    ),
    copies: fc.constantFrom(1, 1, 1, 2, 3),
    verifyAt: fc.nat(1),
    settleAt: fc.nat(1),
    startMs: fc.nat(500),
    serveMs: fc.nat(300),
    validSeconds: fc.constantFrom(SHORTEST_SECONDS, 12, 20, 20, 20),
  })
  .map((drawn) => (drawn.calls === "verify" ? { ...drawn, validSeconds: SHORTEST_SECONDS } : drawn));

const workload = fc.array(payment, { minLength: 2, maxLength: 6, size: "max" });

const tasks: Arbitrary<TaskPlan[]> = fc.array(
  fc.record({ scheme: fc.constantFrom("task", "upto"), startMs: fc.nat(500) }),
  { minLength: 1, maxLength: MOST_TASKS, size: "max" },
);

/** Draws a trial; the same seed draws the same one. */
export function drawPlan(seed: number): TrialPlan {
  const faults = fc.array(faultArbitrary, { minLength: 1, maxLength: 2, size: "max" });
  const drawn = fc.noBias(fc.record({ payments: workload, tasks, faults }));
  // Seeds are counted up; the generator wants them far apart.
  const [plan] = fc.sample(drawn, { seed: Number.parseInt(id(`chaos ${seed}`).slice(2, 10), 16) | 0, numRuns: 1 });
  if (!plan) throw new Error("fast-check draws one sample when it is asked for one");
  return {
    seed,
    ...plan,
    tasks: hasTasks(seed) ? plan.tasks : [],
    payments: plan.faults.some(isRace) ? plan.payments.map(asRace) : plan.payments,
  };
}

/** Whether there are tasks in a trial, so that a network for it needs nodes and verifiers. */
export const hasTasks = (seed: number): boolean => seed % TASKS_EVERY === 0;

const isRace = ({ kind }: FaultPlan): boolean => kind === "race";

/** Everything is sent to both replicas, several times, all at once. */
function asRace(planned: PaymentPlan): PaymentPlan {
  return { ...planned, copies: 6, startMs: 0 };
}
