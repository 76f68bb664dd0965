// `npm test`: all tests of Hardhat's two runners (Solidity, TypeScript), or the files named. While nothing is printed for
// long it says that it goes on, and it closes with one line of counts.
import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";

const root = resolve(import.meta.dirname, "..");
const hardhat = join(root, "node_modules", "hardhat", "dist", "src", "cli.js");
const quietMilliseconds = 10_000;
const started = Date.now();

const colour = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};
const child = spawn(process.execPath, [hardhat, "test", ...process.argv.slice(2)], {
  cwd: root,
  env: { ...process.env, ...colour },
  stdio: ["ignore", "pipe", "inherit"],
});

const heartbeat = setInterval(() => {
  process.stderr.write(`test: still running after ${Math.round((Date.now() - started) / 1000)} s\n`);
}, quietMilliseconds);

let output = "";
child.stdout.setEncoding("utf8").on("data", (printed) => {
  heartbeat.refresh();
  output += printed;
  process.stdout.write(printed);
});

child.on("close", (code) => {
  clearInterval(heartbeat);
  const skipped = count("skipped") > 0 ? `, ${count("skipped")} skipped` : "";
  process.stdout.write(`${count("passing")} passed, ${count("failing")} failed${skipped}\n`);
  process.exitCode = code ?? 1;
});

/** Reads Hardhat's summary: `12 passing (5 solidity, 7 mocha)`. */
function count(kind) {
  const line = new RegExp(`^(\\d+) ${kind} \\(\\d+ (?:solidity|mocha)`, "m").exec(stripVTControlCharacters(output));
  return Number(line?.[1] ?? 0);
}
