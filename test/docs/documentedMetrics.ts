import { readFileSync } from "node:fs";
import { type Dispatcher, request } from "undici";

const documentation = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");

/** Names of the metrics that `docs/operations.md` explains: all of them, or those of one daemon. */
export function documentedMetrics(daemon?: string): string[] {
  const rows = [...documentation.matchAll(/^\| `(opg_[a-z_]+)` *\| ([a-z, ]+?) *\|/gm)];
  const isOf = (daemons: string) => daemon === undefined || ["all", daemon].some((name) => daemons.includes(name));
  return rows.flatMap(([, name = "", daemons = ""]) => (isOf(daemons) ? [name] : [])).sort();
}

/** What a running daemon shows of itself. */
export interface ShownMetrics {
  /** Names of the project's own metrics. */
  names: string[];
  text: string;
}

/** Reads a daemon's `/metrics`. */
export async function readMetrics(url: string, dispatcher?: Dispatcher): Promise<ShownMetrics> {
  const { body } = await request(`${url}/metrics`, dispatcher ? { dispatcher } : {});
  const text = await body.text();
  return { names: [...text.matchAll(/^# TYPE (opg_[a-z_]+) /gm)].map(([, name = ""]) => name).sort(), text };
}
