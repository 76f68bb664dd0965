import type { StatementLine } from "./statementLines.ts";

/** What was charged for one model, and the fees in it; atomic units. */
export interface ModelSum {
  /** versionId; empty for what no model can be named for. */
  model: string;
  calls: number;
  amount: bigint;
  fees: bigint;
}

/** Sums of a statement; atomic units. */
export interface StatementSums {
  /** What a payer spent; what a node or a verifier earned, fees not deducted. */
  amount: bigint;
  /** Of it, the shares of verifiers and treasury. */
  fees: bigint;
  deposits: bigint;
  withdrawals: bigint;
  /** Earnings that were paid out. */
  payouts: bigint;
  models: ModelSum[];
}

/** Adds a statement up. */
export function sumsOf(lines: readonly StatementLine[]): StatementSums {
  const charges = lines.filter(({ kind }) => kind === "task" || kind === "batch" || kind === "pool");
  const moved = (wanted: StatementLine["kind"]): bigint => sum(lines.filter(({ kind }) => kind === wanted));
  return {
    amount: sum(charges),
    fees: charges.reduce((total, { fees }) => total + fees, 0n),
    deposits: moved("deposit"),
    withdrawals: moved("withdrawal"),
    payouts: moved("payout"),
    models: [...Map.groupBy(charges, ({ model }) => model)].map(([model, own]) => ({
      model,
      calls: own.length,
      amount: sum(own),
      fees: own.reduce((total, { fees }) => total + fees, 0n),
    })),
  };
}

function sum(lines: readonly StatementLine[]): bigint {
  return lines.reduce((total, { amount }) => total + amount, 0n);
}
