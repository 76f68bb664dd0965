import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Figure, measurementOf, tableOf } from "./figures.ts";

/** What a benchmark's file, NAME.ts beside this one, exports as `measure`. It brings its surroundings and removes them. */
type Measure = (progress: (line: string) => void) => Promise<readonly Figure[]>;

/** `npm run bench -- NAME [--json]` */
async function run(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } });
  const [name = ""] = positionals;
  const measure = await measureOf(name);
  const figures = await measure((line) => process.stderr.write(`${line}\n`));
  process.stdout.write(`${tableOf(name, figures)}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(measurementOf(name, figures))}\n`);
}

async function measureOf(name: string): Promise<Measure> {
  const file = new URL(`./${name}.ts`, import.meta.url);
  if (/^[a-z]+$/.test(name) && existsSync(fileURLToPath(file))) {
    const { measure } = (await import(file.href)) as { measure?: Measure };
    if (measure) return measure;
  }
  throw new Error(`There is no benchmark "${name}"; there are verify, settle, stream, prefunded, batch and gas.`);
}

try {
  await run();
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
// What a benchmark left open must not keep it from ending.
process.exit();
