import { cpus, totalmem } from "node:os";

/** One line of a benchmark; `peer` is the stock software beside ours, measured in the same run. */
export interface Figure {
  figure: string;
  unit: string;
  ours: number;
  peer: number | null;
  /** What was aimed at: of `ratio`, where {@link isRatio} says so, else of `ours`. */
  target: number | null;
  isRatio?: boolean;
  better: "lower" | "higher";
}

/** Figures of one benchmark, in the shape that other tools read. */
export interface Measurement {
  name: string;
  machine: string;
  rows: (Omit<Figure, "isRatio"> & { ratio: number | null })[];
}

/** Adds machine and ratios; a ratio above 1 says that ours is that many times the peer's figure. */
export function measurementOf(name: string, figures: readonly Figure[]): Measurement {
  const [processor] = cpus();
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return {
    name,
    machine: `${cpus().length} x ${processor?.model.trim() ?? "unknown"}, ${gibibytes} GiB, node ${process.versions.node}`,
    rows: figures.map(({ figure, unit, ours, peer, target, better }) => {
      return { figure, unit, ours, peer, ratio: peer ? ours / peer : null, target, better };
    }),
  };
}

/** The same as a table for people. */
export function tableOf(name: string, figures: readonly Figure[]): string {
  const { machine, rows } = measurementOf(name, figures);
  const cells = rows.map(({ figure, unit, ours, peer, ratio, target, better }, index) => [
    figure,
    short(ours),
    short(peer),
    ratio === null ? "-" : `${short(ratio)} x`,
    target === null
      ? "-"
      : `${better === "lower" ? "<=" : ">="} ${short(target)}${figures[index]?.isRatio ? " x" : ""}`,
    unit,
  ]);
  const lines = [["figure", "ours", "stock", "ratio", "aim", "unit"], ...cells];
  const width = (column: number): number => Math.max(...lines.map((line) => line[column]?.length ?? 0));
  const text = lines.map((line) => line.map((cell, column) => cell.padEnd(width(column))).join("  "));
  return [`${name} on ${machine}`, ...text.map((line) => line.trimEnd())].join("\n");
}

function short(value: number | null): string {
  if (value === null) return "-";
  return Math.abs(value) >= 100 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString();
}
