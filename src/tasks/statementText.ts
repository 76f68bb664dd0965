import type { StatementLine } from "./statementLines.ts";
import { sumsOf } from "./statementSums.ts";

/** A statement with what makes it readable; the names of models by versionId, the seconds of blocks by number. */
export interface Statement {
  role: "payer" | "node" | "verifier";
  address: string;
  /** ISO 8601, UTC; empty for the beginning or for now. */
  from: string;
  to: string;
  lines: readonly StatementLine[];
  modelNames: ReadonlyMap<string, string>;
  blockSeconds: ReadonlyMap<number, number>;
}

const columns = ["time", "kind", "reference", "model", "version", "amount", "fees", "transaction", "block"] as const;

/** One row for each line, then sums: `sum` for each model and `total` for all; amounts in atomic units. */
export function statementCsv(statement: Statement): string {
  const { lines } = statement;
  const { amount, fees, models } = sumsOf(lines);
  const rows = lines.map((line): Row => {
    const { kind, reference, transactionHash: transaction, blockNumber } = line;
    const amounts = { amount: String(line.amount), fees: String(line.fees) };
    const place = { time: timeOf(statement, line), transaction, block: String(blockNumber) };
    return { ...place, kind, reference, ...modelOf(statement, line.model), ...amounts };
  });
  const sums = models.map((model): Row => {
    return { kind: "sum", ...modelOf(statement, model.model), amount: String(model.amount), fees: String(model.fees) };
  });
  const total: Row = { kind: "total", amount: String(amount), fees: String(fees) };
  const cells = [...rows, ...sums, total].map((row) => columns.map((name) => quoted(row[name] ?? "")).join(","));
  return [columns.join(","), ...cells].join("\n");
}

/** The same as one JSON document; amounts as decimal strings in atomic units. */
export function statementJson(statement: Statement): string {
  const { role, address, from, to, lines } = statement;
  const { models, ...sums } = sumsOf(lines);
  const document = {
    ...{ role, address, from, to },
    lines: lines.map((line) => {
      const { kind, reference, amount, fees, transactionHash: transaction, blockNumber: block } = line;
      const model = modelOf(statement, line.model);
      return { time: timeOf(statement, line), kind, reference, ...model, amount, fees, transaction, block };
    }),
    models: models.map(({ model, ...sum }) => ({ ...modelOf(statement, model), ...sum })),
    totals: sums,
  };
  return JSON.stringify(document, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value), 2);
}

type Row = Partial<Record<(typeof columns)[number], string>>;

function modelOf({ modelNames }: Statement, versionId: string): { model: string; version: string } {
  return { model: modelNames.get(versionId) ?? "", version: versionId };
}

function timeOf({ blockSeconds }: Statement, { blockNumber }: StatementLine): string {
  return new Date((blockSeconds.get(blockNumber) ?? 0) * 1000).toISOString();
}

/** Names of models are anybody's: a spreadsheet must take none for a formula. */
function quoted(text: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
