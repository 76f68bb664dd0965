import { parseArgs } from "node:util";
import { createHardhatRuntimeEnvironment, importUserConfig, resolveHardhatConfigPath } from "hardhat/hre";
import type { HardhatUserConfig } from "hardhat/types/config";
import { OpgError } from "#protocol/errors.ts";

/** What `npm run invariants -- …` was asked for. */
interface InvariantsOptions {
  /** Sequences of each invariant, and of the model of the books. */
  runs: number;
  /** Steps of each sequence. */
  depth: number;
  seed: number;
  /** Print the counts as one JSON object on the last line of stdout. */
  json: boolean;
}

/** @throws OpgError `configuration` on an option that does not exist or cannot be read */
function readOptions(given: readonly string[]): InvariantsOptions {
  try {
    const { values } = parseArgs({
      args: [...given],
      options: {
        runs: { type: "string", default: "64" },
        depth: { type: "string", default: "128" },
        seed: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
      },
    });
    const { runs, depth, seed, json } = values;
    return { runs: wholeNumber(runs), depth: wholeNumber(depth), seed: wholeNumber(seed), json };
  } catch (cause) {
    const known = "--runs NUMBER, --depth NUMBER, --seed NUMBER, --json";
    const words = `${(cause as Error).message.split(".")[0]}; npm run invariants -- takes ${known}.`;
    throw new OpgError("configuration", words, {}, { cause });
  }
}

function wholeNumber(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new Error(`${text} is no whole number from 1 on`);
}

/** The project's own configuration but for how far the Solidity invariants go. */
function lengthened(config: HardhatUserConfig, { runs, depth, seed }: InvariantsOptions): HardhatUserConfig {
  const solidity = {
    ...config.test?.solidity,
    fuzz: { runs, seed: `0x${seed.toString(16).padStart(64, "0")}` },
    invariant: { runs, depth, failOnRevert: true },
  };
  return { ...config, test: { ...config.test, solidity } };
}

interface Tested {
  summary: { failed: number };
  suiteResults?: { testResults: { status: string }[] }[];
}

/** Reads what a test task of Hardhat's returns, however it ended. */
function testedBy(result: unknown): Tested {
  const { value, error } = result as { value?: Tested; error?: Tested };
  const tested = value ?? error;
  if (!tested) throw new Error("the tests did not say how they ended");
  return tested;
}

/** @returns how many tests failed */
async function run(options: InvariantsOptions): Promise<number> {
  const path = await resolveHardhatConfigPath();
  const config = lengthened(await importUserConfig(path), options);
  const { tasks } = await createHardhatRuntimeEnvironment(config, { config: path });
  process.env["OPG_FUZZ_SEED"] = String(options.seed);
  process.env["OPG_MODEL_RUNS"] = String(options.runs);
  process.env["OPG_MODEL_DEPTH"] = String(options.depth);

  // All sources at once: handlers are recognised by the very code that was built beside them.
  await tasks.getTask("build").run({});
  const { suiteResults = [] } = testedBy(await tasks.getTask(["test", "solidity"]).run({ noCompile: true }));
  const invariants = suiteResults.flatMap(({ testResults }) => testResults);
  if (invariants.length === 0) throw new Error("no invariants were found");
  const testFiles = ["test/contracts/money/accountsModel.test.ts"];
  const model = testedBy(await tasks.getTask(["test", "mocha"]).run({ testFiles, noCompile: true }));
  return invariants.filter(({ status }) => status !== "Success").length + model.summary.failed;
}

try {
  const options = readOptions(process.argv.slice(2));
  const failures = await run(options);
  const { runs, depth, seed, json } = options;
  const text = json
    ? JSON.stringify({ runs, depth, failures })
    : `${runs} runs of ${depth} steps for each invariant and for the model, seed ${seed}: ${failures} failed`;
  process.stdout.write(`${text}\n`, () => process.exit(failures === 0 ? 0 : 1));
} catch (error) {
  const text = error instanceof OpgError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${text ?? ""}\n`, () => process.exit(1));
}
