import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ownedProcess, type OwnedProcess } from "./ownedProcess.ts";

/** Which daemon to run, and with what. */
export interface ProcessOptions {
  /** For messages: `facilitator`, `node-1`. */
  name: string;
  /** Program of the role, such as `src/facilitator/main.ts`; relative to the project's folder. */
  program: string;
  /** Its configuration, added to this process's environment. */
  env: Readonly<Record<string, string>>;
  /** What it prints is appended here. */
  logFile: string;
}

/** A daemon that is ready. */
export interface DaemonProcess extends OwnedProcess {
  /** Where it listens, as it says itself. */
  url: string;
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Compiled once, loaded by every daemon: a start takes half the processor's time. */
const compileCache = resolve(root, "cache/node");

/**
 * Starts a daemon and waits until it says that it is listening.
 *
 * @throws OpgError `internal` with its last lines, when it ends before that
 */
export async function startProcess(options: ProcessOptions): Promise<DaemonProcess> {
  const { name, program, logFile } = options;
  const parameters = [resolve(root, program)];
  const env = { NODE_COMPILE_CACHE: compileCache, ...options.env };
  const owned = ownedProcess({ name, command: process.execPath, parameters, env, logFile });
  const line = await owned.line((printed) => listeningUrl(printed) !== undefined);
  return { ...owned, url: listeningUrl(line) ?? "" };
}

function listeningUrl(line: string): string | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== "object" || entry === null || !("msg" in entry) || !("url" in entry)) return undefined;
    return entry.msg === "listening" && typeof entry.url === "string" ? entry.url : undefined;
  } catch {
    return undefined;
  }
}
