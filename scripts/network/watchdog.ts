import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

let watchdog: ChildProcess | undefined;

/**
 * Has a process group stopped when this process ends in any way, `kill -9` included. One small program of its own does
 * that for all of them: it reads the groups from a pipe, and the pipe's end tells it that this process is gone.
 *
 * @param group - id of a process that leads a group of its own
 * @param signal - what asks it to stop; SIGKILL follows where that is not heeded
 */
export function watchGroup(group: number, signal: NodeJS.Signals): void {
  watchdog ??= start();
  watchdog.stdin?.write(`watch ${group} ${signal}\n`);
}

/** Forgets a group that has ended, as its number may be given to another. */
export function unwatchGroup(group: number): void {
  watchdog?.stdin?.write(`unwatch ${group}\n`);
}

function start(): ChildProcess {
  const program = fileURLToPath(new URL("watchdogProcess.mjs", import.meta.url));
  const child = spawn(process.execPath, [program], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  child.unref();
  // Neither the program nor the pipe to it may keep this process alive.
  (child.stdin as unknown as { unref(): void }).unref();
  child.on("exit", () => (watchdog = undefined));
  return child;
}
