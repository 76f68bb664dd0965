// `npm test`: the Solidity and TypeScript tests, those of the facilitator and the journeys side by side; or the files
// named. While nothing is printed for long it says that it goes on, and it closes with one line of counts.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";

const root = resolve(import.meta.dirname, "..");
const hardhat = join(root, "node_modules", "hardhat", "dist", "src", "cli.js");
const quietMilliseconds = 10_000;
/** Tests that failed may leave servers behind, which would keep their process alive for ever. */
const endMilliseconds = 30_000;
const started = Date.now();

const heartbeat = setInterval(() => {
  process.stderr.write(`test: still running after ${Math.round((Date.now() - started) / 1000)} s\n`);
}, quietMilliseconds);

const named = process.argv.slice(2);
const runs = named.length > 0 ? [["test", ...named]] : allTests();
const results = await inTurns(runs.map(run));
clearInterval(heartbeat);

const count = (kind) => results.reduce((sum, { output }) => sum + counted(output, kind), 0);
const skipped = count("skipped") > 0 ? `, ${count("skipped")} skipped` : "";
process.stdout.write(`${count("passing")} passed, ${count("failing")} failed${skipped}\n`);
process.exitCode = results.every(({ code }) => code === 0) ? 0 : 1;

/**
 * Hardhat's arguments for four processes side by side; all start from the contracts that are built already. Those that run
 * daemons on a chain of their own mostly wait for blocks: the facilitator's and merchants' tests, the journeys in which
 * processes are killed and inputs are bad, and the other journeys.
 */
function allTests() {
  const files = globSync("test/**/*.test.ts", { cwd: root }).sort();
  const within = (...folders) =>
    files.filter((file) => folders.some((folder) => file.startsWith(join("test", ...folder.split("/")))));
  const onChains = within("facilitator", "merchant");
  const broken = within("badInput", "integration/chaos", "integration/killed", "integration/replicas");
  const journeys = within("integration").filter((file) => !broken.includes(file));
  const apart = [...onChains, ...broken, ...journeys];
  const solidity = globSync("test/**/*.t.sol", { cwd: root }).sort();
  return [
    ["test", ...solidity, ...files.filter((file) => !apart.includes(file))],
    ...[onChains, broken, journeys].map((group) => ["test", "mocha", "--no-compile", ...group]),
  ];
}

/** Starts a run; what it prints is kept until `show` lets it through. */
function run(parameters) {
  const colour = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};
  const child = spawn(process.execPath, [hardhat, ...parameters], {
    cwd: root,
    env: { ...process.env, ...colour },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  let shown = false;
  let ending;
  child.stdout.setEncoding("utf8").on("data", (printed) => {
    output += printed;
    if (ending === undefined && /^ {2}\d+ passing\b/m.test(stripVTControlCharacters(output))) {
      ending = setTimeout(() => child.kill("SIGKILL"), endMilliseconds);
    }
    if (shown) print(printed);
  });
  const ended = new Promise((fulfil) =>
    child.on("close", (code) => {
      clearTimeout(ending);
      fulfil({ code: code ?? 1, output });
    }),
  );
  const show = () => {
    shown = true;
    print(output);
  };
  return { ended, show };
}

/** Shows one run after the other, though they go on side by side. */
async function inTurns(started) {
  const ended = [];
  for (const { show, ended: end } of started) {
    show();
    ended.push(await end);
  }
  return ended;
}

function print(text) {
  heartbeat.refresh();
  process.stdout.write(text);
}

/** Reads Hardhat's summary, `12 passing (5 solidity, 7 mocha)`, or mocha's own where only mocha ran. */
function counted(output, kind) {
  const text = stripVTControlCharacters(output);
  const line = new RegExp(`^(\\d+) ${kind} \\(\\d+ (?:solidity|mocha)`, "m").exec(text);
  return Number((line ?? new RegExp(`^  (\\d+) ${kind}\\b`, "m").exec(text))?.[1] ?? 0);
}
