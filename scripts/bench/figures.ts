import { cpus, totalmem } from "node:os";

/** One line of a benchmark; `peer` is the stock software beside ours, measured in the same run. */
export interface Figure {
  figure: string;
  unit: string;
  ours: number;
  peer: number | null;
  /** What was aimed at: of `ratio` where there is a peer, else of `ours`. */
  target: number | null;
  better: "lower" | "higher";
}

/** Figures of one benchmark, in the shape that other tools read. */
export interface Measurement {
  name: string;
  machine: string;
  rows: (Figure & { ratio: number | null })[];
}

/** Adds machine and ratios; a ratio above 1 says that ours is that many times the peer's figure. */
export function measurementOf(name: string, figures: readonly Figure[]): Measurement {
  const [processor] = cpus();
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return {
    name,
    machine: `${cpus().length} x ${processor?.model.trim() ?? "unknown"}, ${gibibytes} GiB, node ${process.versions.node}`,
    rows: figures.map((figure) => ({ ...figure, ratio: figure.peer === null ? null : figure.ours / figure.peer })),
  };
}

/** The same as a table for people. */
export function tableOf({ name, machine, rows }: Measurement): string {
  const cells = rows.map(({ figure, unit, ours, peer, ratio, target, better }) => [
    figure,
    short(ours),
    peer === null ? "-" : short(peer),
    ratio === null ? "-" : `${short(ratio)} x`,
    target === null ? "-" : `${better === "lower" ? "<=" : ">="} ${short(target)}${peer === null ? "" : " x"}`,
    unit,
  ]);
  const lines = [["figure", "ours", "stock", "ratio", "aim", "unit"], ...cells];
  const lengths = (column: number): number[] => lines.map((line) => line[column]?.length ?? 0);
  const text = lines.map((line) =>
    line.map((cell, column) => cell.padEnd(Math.max(...lengths(column))))
      .join("  ")
      .trimEnd(),
  );
  return [`${name} on ${machine}`, ...text].join("\n");
}

function short(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString();
}
