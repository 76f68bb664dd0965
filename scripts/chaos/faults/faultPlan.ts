import fc, { type Arbitrary } from "fast-check";

/** When a fault strikes after the trial's begin, and how long it lasts. */
interface Moment {
  atMs: number;
  forMs: number;
}

/** What an endpoint of the chain does wrong. */
export type ChainFault =
  | { kind: "down" }
  | { kind: "slow"; delayMs: number }
  | { kind: "old"; blocks: number }
  | { kind: "lying"; about: "balances" | "receipts" | "nonces" | "blocks" };

/** A fault as it was drawn. */
export type FaultPlan = Moment &
  (
    | { kind: "kill"; process: number }
    | { kind: "chain"; endpoint: number; fault: ChainFault }
    | { kind: "reorg"; blocks: number; putBack: boolean }
    | { kind: "database"; way: "terminated" | "reset" | "down" }
    | { kind: "clock"; process: number; seconds: number }
    | { kind: "race" }
  );

/** A fault of one kind. */
export type FaultOf<Kind extends FaultPlan["kind"]> = Extract<FaultPlan, { kind: Kind }>;

const moment = { atMs: fc.nat(1_000), forMs: fc.integer({ min: 50, max: 1_500 }) };

const chainFault: Arbitrary<ChainFault> = fc.oneof(
  fc.record({ kind: fc.constant("down" as const) }),
  fc.record({ kind: fc.constant("slow" as const), delayMs: fc.integer({ min: 100, max: 3_000 }) }),
  fc.record({ kind: fc.constant("old" as const), blocks: fc.integer({ min: 1, max: 20 }) }),
  fc.record({
    kind: fc.constant("lying" as const),
    about: fc.constantFrom("balances" as const, "receipts" as const, "nonces" as const, "blocks" as const),
  }),
);

/** Any one fault. */
export const faultArbitrary: Arbitrary<FaultPlan> = fc.oneof(
  fc.record({ ...moment, kind: fc.constant("kill" as const), process: fc.nat(1_000) }),
  fc.record({ ...moment, kind: fc.constant("chain" as const), endpoint: fc.nat(1_000), fault: chainFault }),
  fc.record({
    ...moment,
    kind: fc.constant("reorg" as const),
    blocks: fc.integer({ min: 1, max: 3 }),
    putBack: fc.boolean(),
  }),
  fc.record({
    ...moment,
    kind: fc.constant("database" as const),
    way: fc.constantFrom("terminated" as const, "reset" as const, "down" as const),
  }),
  fc.record({
    ...moment,
    kind: fc.constant("clock" as const),
    process: fc.nat(1_000),
    seconds: fc.constantFrom(-60, 60),
  }),
  fc.record({ ...moment, kind: fc.constant("race" as const) }),
);
