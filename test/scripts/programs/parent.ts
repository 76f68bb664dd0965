// Starts a daemon, says its process id, and lives until it is killed.
import { startProcess } from "#scripts/network/startProcess.ts";

const [program, logFile] = process.argv.slice(2);
if (program === undefined || logFile === undefined) throw new Error("usage: parent.ts PROGRAM LOGFILE");
const daemon = await startProcess({ name: "daemon", program, env: { MODE: "listens" }, logFile });
process.stdout.write(`${daemon.pid}\n`);
setInterval(() => undefined, 1000);
