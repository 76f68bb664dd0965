// `npm test`: the Solidity and TypeScript tests, in some processes side by side; or the files
// named. While nothing is printed for long it says that it goes on, and it closes with one line of counts.
import { spawn } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { spreadTests } from "./spreadTests.mjs";

const root = resolve(import.meta.dirname, "..");
const hardhat = join(root, "node_modules", "hardhat", "dist", "src", "cli.js");
const quietMilliseconds = 10_000;
/** Tests that failed may leave servers behind, which would keep their process alive for ever. */
const endMilliseconds = 30_000;
/** Compiled once, loaded by every process that a test starts. */
const compileCache = join(root, "cache", "node");
const PROCESSES = 4;
/** What is kept of a process for the case that it fails. */
const COMPLAINT_CHARACTERS = 8_000;
const LAST_LINES = 8;
const started = Date.now();

const heartbeat = setInterval(() => {
  process.stderr.write(`test: still running after ${Math.round((Date.now() - started) / 1000)} s\n`);
}, quietMilliseconds);

const named = process.argv.slice(2);
const runs = named.length > 0 ? [["test", ...named]] : allTests();
const results = await inTurns(runs.map(run));
clearInterval(heartbeat);

for (const result of results.filter(({ code }) => code !== 0)) process.stdout.write(whatFailed(result));
const count = (kind) => results.reduce((sum, { output }) => sum + counted(output, kind), 0);
const skipped = count("skipped") > 0 ? `, ${count("skipped")} skipped` : "";
const brokenOff = results.filter((result) => result.code !== 0 && counted(result.output, "failing") === 0).length;
const broken = brokenOff > 0 ? `, ${brokenOff} of ${results.length} processes broken off` : "";
process.stdout.write(`${count("passing")} passed, ${count("failing")} failed${skipped}${broken}\n`);
process.exitCode = results.every(({ code }) => code === 0) ? 0 : 1;

/**
 * Hardhat's arguments for processes side by side; all start from the contracts that are built already. Much of the time is
 * spent on waiting for blocks and for daemons to start, so there are more of them than a small machine has cores.
 */
function allTests() {
  const files = globSync("test/**/*.test.ts", { cwd: root }).sort();
  const isShared = (file) => readFileSync(join(root, file), "utf8").includes("sharedJourney()");
  const parts = [
    globSync("test/**/*.t.sol", { cwd: root }).sort(),
    files.filter(isShared),
    ...files.filter((file) => !isShared(file)).map((file) => [file]),
  ];
  return spreadTests(parts, PROCESSES).map((group) =>
    group.some((file) => file.endsWith(".sol")) ? ["test", ...group] : ["test", "mocha", "--no-compile", ...group],
  );
}

/** Starts a run; what it prints is kept until `show` lets it through. */
function run(parameters) {
  const colour = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};
  const child = spawn(process.execPath, [hardhat, ...parameters], {
    cwd: root,
    env: { NODE_COMPILE_CACHE: compileCache, ...process.env, ...colour },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let complaints = "";
  let shown = false;
  let ending;
  child.stdout.setEncoding("utf8").on("data", (printed) => {
    output += printed;
    if (ending === undefined && /^ {2}\d+ passing\b/m.test(stripVTControlCharacters(output))) {
      ending = setTimeout(() => child.kill("SIGKILL"), endMilliseconds);
    }
    if (shown) print(printed);
  });
  child.stderr.setEncoding("utf8").on("data", (printed) => {
    complaints = (complaints + printed).slice(-COMPLAINT_CHARACTERS);
    process.stderr.write(printed);
  });
  const ended = new Promise((fulfil) =>
    child.on("close", (code, signal) => {
      clearTimeout(ending);
      fulfil({ code: code ?? 1, signal, output, complaints });
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

/**
 * Says at the end, where it is looked for, what failed: the failures that were counted, or, of a process that ended before
 * it counted any, the test it came to and its last words.
 */
function whatFailed({ code, signal, output, complaints }) {
  const text = stripVTControlCharacters(output);
  const failures = /^ {2}\d+ failing\b[^]*/m.exec(text)?.[0];
  if (failures !== undefined) return `\n== failed\n${failures}\n`;
  const last = text.trimEnd().split("\n").slice(-LAST_LINES).join("\n");
  return `\n== a process ended with ${signal ?? code} before its counts, after\n${last}\n== its last words\n${complaints}\n`;
}

/** Reads Hardhat's summary, `12 passing (5 solidity, 7 mocha)`, or mocha's own where only mocha ran. */
function counted(output, kind) {
  const text = stripVTControlCharacters(output);
  const line = new RegExp(`^(\\d+) ${kind} \\(\\d+ (?:solidity|mocha)`, "m").exec(text);
  return Number((line ?? new RegExp(`^  (\\d+) ${kind}\\b`, "m").exec(text))?.[1] ?? 0);
}
