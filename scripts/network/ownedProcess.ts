import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { OpgError } from "#protocol/errors.ts";
import { unwatchGroup, watchGroup } from "./watchdog.ts";

/** What to run, and how to end it. */
export interface OwnedProcessOptions {
  /** What people call it, for messages. */
  name: string;
  command: string;
  parameters: readonly string[];
  /** Added to this process's environment. */
  env?: Readonly<Record<string, string>>;
  /** Numeric user and group to run as; only root may name another than its own. */
  user?: number | undefined;
  /** Everything the process prints is appended here. */
  logFile: string;
  /** Asks the process to stop; SIGTERM unless named. */
  stopSignal?: NodeJS.Signals;
  /** How long it may take to stop before it is killed; 10 unless named. */
  graceSeconds?: number;
}

/** A program that lives no longer than this process. */
export interface OwnedProcess {
  readonly pid: number;
  /** Resolves when the process has ended, with a sentence fragment such as `exit code 1` or `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** Rejects when the process ends, with OpgError `internal` that has the last lines printed. */
  readonly failure: Promise<never>;
  /**
   * Resolves with the first line printed that `wanted` accepts.
   *
   * @throws OpgError `internal` with the last lines printed, when the process ends before that; see `failure`
   */
  line(wanted: (line: string) => boolean): Promise<string>;
  /** Asks it to stop, kills it after the grace time, and resolves when it has ended. */
  stop(): Promise<void>;
  /** Kills it (SIGKILL) and resolves when it has ended. */
  kill(): Promise<void>;
}

const keptLines = 12;

/** Runs a program in a process group of its own, so that Ctrl-C reaches it through {@link OwnedProcess.stop} only. */
export function ownedProcess(options: OwnedProcessOptions): OwnedProcess {
  const { name, command, user, stopSignal = "SIGTERM", graceSeconds = 10 } = options;
  const child = spawn(command, [...options.parameters], {
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  const pid = child.pid ?? 0;
  if (pid !== 0) watchGroup(pid, stopSignal);

  const output = observe([child.stdout, child.stderr], options.logFile);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => {
      resolve(error.message);
    });
    child.once("close", (code, signal) => {
      unwatchGroup(pid);
      output.end();
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`);
    });
  });
  const failed = failure(name, ended, output.lastLines);
  // Whoever only stops the process does not ask how it ended.
  failed.catch(() => undefined);
  const send = (signal: NodeJS.Signals): void => {
    if (child.exitCode !== null || child.signalCode !== null || pid === 0) return;
    process.kill(-pid, signal);
  };

  return {
    pid,
    ended,
    failure: failed,
    line: (wanted) => Promise.race([output.line(wanted), failed]),
    stop: () => end(send, stopSignal, graceSeconds, ended),
    kill: () => end(send, "SIGKILL", graceSeconds, ended),
  };
}

async function failure(name: string, ended: Promise<string>, lastLines: () => string): Promise<never> {
  const how = await ended;
  throw new OpgError("internal", `${name} ended (${how})\n${lastLines()}`.trimEnd(), { name });
}

async function end(
  send: (signal: NodeJS.Signals) => void,
  signal: NodeJS.Signals,
  graceSeconds: number,
  ended: Promise<string>,
): Promise<void> {
  send(signal);
  const timer = setTimeout(send, graceSeconds * 1000, "SIGKILL");
  await ended;
  clearTimeout(timer);
}

function observe(streams: readonly NodeJS.ReadableStream[], logFile: string) {
  mkdirSync(dirname(logFile), { recursive: true });
  const log = createWriteStream(logFile, { fd: openSync(logFile, "a", 0o600) });
  const kept: string[] = [];
  const listeners = new Set<(line: string) => void>();
  for (const stream of streams) {
    createInterface({ input: stream }).on("line", (line) => {
      log.write(`${line}\n`);
      kept.push(line);
      if (kept.length > keptLines) kept.shift();
      for (const listener of listeners) listener(line);
    });
  }
  return {
    end: () => log.end(),
    lastLines: () => kept.join("\n"),
    line: (wanted: (line: string) => boolean) =>
      new Promise<string>((resolve) => {
        const listener = (line: string): void => {
          if (!wanted(line)) return;
          listeners.delete(listener);
          resolve(line);
        };
        listeners.add(listener);
      }),
  };
}
