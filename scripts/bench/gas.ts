import type { Figure } from "./figures.ts";
import { GasBatches } from "./gasBatches.ts";
import { type GasChain, startGasChain } from "./gasChain.ts";
import { charges, GasTasks } from "./gasTasks.ts";

/** How much is measured. */
export interface GasScale {
  /** Batches are of so many payers, each with so many calls; of all sizes, also such as no facilitator makes. */
  payers: readonly number[];
  calls: readonly number[];
  /** Stock payments of each kind; the figure is their mean. */
  payments: number;
}

const fullScale: GasScale = { payers: [1, 10, 100, 200], calls: [1, 10, 100], payments: 5 };

/** Targets: what a batch may cost, and what a call in it where that is said apart. */
const aims = { batch: 65_000, payer: 11_500, payee: 12_000, signature: 7_000 };
const callAims: Readonly<Record<string, number>> = { "100 x 10": 1_400, "100 x 100": 140 };

/** Gas of every way to pay for a call, beside stock x402 payments on the same chain. */
export function measure(progress: (line: string) => void): Promise<Figure[]> {
  return measureGas(fullScale, progress);
}

/** @throws Error where a transaction does not go through */
export async function measureGas(scale: GasScale, progress: (line: string) => void): Promise<Figure[]> {
  progress("a chain with Permit2 and the contracts");
  const chain = await startGasChain();
  try {
    progress("tasks and stock payments, one by one");
    const tasks = new GasTasks(chain);
    const { stock, figures } = await measureStock(tasks, scale.payments);
    figures.unshift(...(await measureTasks(tasks, stock)));
    return [...figures, ...(await measureBatches(chain, scale, stock, progress))];
  } finally {
    await chain.stop();
  }
}

/** x402's own: a payment of `exact` as its client signs it is what everything else is held against. */
async function measureStock(tasks: GasTasks, payments: number): Promise<{ stock: number; figures: Figure[] }> {
  const mean = async (of: () => Promise<number>): Promise<number> => {
    let sum = 0;
    for (let count = 0; count < payments; count++) sum += await of();
    return sum / payments;
  };
  // The merchant's balance and the first word of nonces are no news from now on.
  await tasks.pay("exact", "within a word");
  const exact = await mean(() => tasks.pay("exact", "within a word"));
  const stock = await mean(() => tasks.pay("exact", "random"));
  const upto = await mean(() => tasks.pay("upto", "within a word"));
  const randomUpto = await mean(() => tasks.pay("upto", "random"));
  return {
    stock,
    figures: [
      row("a stock payment by exact, nonces in one word; beside it random ones", exact, stock),
      row("a stock payment by upto, nonces in one word; beside it random ones", upto, randomUpto),
    ],
  };
}

async function measureTasks(tasks: GasTasks, stock: number): Promise<Figure[]> {
  // Nothing that follows touches a slot for the first time.
  for (const way of ["witness", "upto"] as const) await tasks.settle((await tasks.open(way)).task, charges.half);
  const opened = await tasks.open("witness");
  const settled = await tasks.settle(opened.task, charges.ceiling);
  const { task, gas: openUpto } = await tasks.open("upto");
  return [
    row("open", opened.gas, null, 90_000),
    row("open by upto", openUpto, null, 90_000),
    row("settle, charge = ceiling", settled, null, 90_000),
    row("settle, with a refund", await tasks.settle(task, charges.half), null, 90_000),
    row("open and settle: gas per inference", opened.gas + settled, stock, 180_000),
    row("capture: gas per inference", await tasks.capture("witness", charges.half), stock, 115_000),
    row("capture by upto: gas per inference", await tasks.capture("upto", charges.half), stock, 115_000),
  ];
}

/** What a batch costs follows from its payers and payees; its calls divide that. */
async function measureBatches(
  chain: GasChain,
  { payers, calls }: GasScale,
  stock: number,
  progress: (line: string) => void,
): Promise<Figure[]> {
  progress("accounts");
  const total = payers.length * calls.reduce((sum, count) => sum + count, 0);
  const batches = await GasBatches.open(chain, Math.max(...payers), total);
  const figures: Figure[] = [];
  for (const count of payers) {
    const whole = new Map<number, Figure>();
    for (const each of calls) {
      progress(`a batch of ${count} payers, ${each} calls each`);
      const { gas, receipts, payees } = await batches.settle(count, each);
      const aim = aims.batch + aims.payer * count + aims.payee * payees + aims.signature * chain.verifiers;
      const callAim = callAims[`${count} x ${each}`] ?? aim / receipts;
      figures.push(row(`${count} payers, ${each} calls each: gas per inference`, gas / receipts, stock, callAim));
      whole.set(payees, row(`settleBatch, ${count} payers, ${payees} payees`, gas, null, aim));
    }
    figures.push(...whole.values());
  }
  return figures;
}

function row(figure: string, ours: number, peer: number | null = null, target: number | null = null): Figure {
  return { figure, unit: "gas", ours, peer, target, better: "lower" };
}
