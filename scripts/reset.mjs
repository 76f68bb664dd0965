// Removes the state of the network that `npm start` runs: its chain, databases, logs and network.json.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { basename, join, resolve } from "node:path";

const folder = resolve(import.meta.dirname, "..", process.argv[2] ?? ".opg");
const networkFile = join(folder, "network.json");
const elsewhereFile = join(folder, "database", "elsewhere");

if (!existsSync(folder)) {
  say(`there is nothing to remove in ${folder}`);
} else if (existsSync(networkFile) && (await answers(JSON.parse(readFileSync(networkFile, "utf8")).rpcUrl))) {
  say("the network is running: stop it first (Ctrl-C where it was started)");
  process.exitCode = 1;
} else {
  if (existsSync(elsewhereFile)) removeElsewhere(readFileSync(elsewhereFile, "utf8"));
  rmSync(folder, { recursive: true });
  say(`removed ${folder}`);
}

/** What root's database server could not keep in the state folder. */
function removeElsewhere(path) {
  if (basename(path).startsWith("opg-database-")) rmSync(path, { recursive: true, force: true });
}

function answers(url) {
  const { hostname, port } = new URL(url);
  return new Promise((fulfil) => {
    const socket = connect(Number(port), hostname);
    socket.once("connect", () => socket.end(() => fulfil(true)));
    socket.once("error", () => fulfil(false));
  });
}

function say(line) {
  process.stderr.write(`reset: ${line}\n`);
}
