import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";
import { socketNames } from "./enclave/socketNames.ts";

const CONNECT_SECONDS = 60;
const RETRY_MS = 20;
const STOP_SECONDS = 5;
const KEPT_CHARACTERS = 2_000;

/** All of this process's environment that an enclave gets; the operator's key is not among it. */
const passedOn = ["NODE_COMPILE_CACHE", "NODE_OPTIONS", "PATH", "TMPDIR"];

/** An enclave's program, and the sockets that lead to it. */
export interface EnclaveProcess {
  readonly pid: number;
  /** Connected for messages. */
  readonly socket: Socket;
  /** Path of the socket for TLS connections. */
  readonly connections: string;
  /** Resolves when the program has ended, with how: one line. */
  readonly ended: Promise<string>;
  /** Ends the program and removes its sockets. */
  stop(): Promise<void>;
}

/**
 * Starts an enclave's program with a folder of its own for its sockets, which nobody but this user reaches, and connects to it.
 *
 * @param environment - what it is configured by
 * @throws OpgError `configuration` with what it says, when it ends before it can be reached
 */
export async function startEnclaveProcess(
  program: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<EnclaveProcess> {
  const folder = mkdtempSync(join(tmpdir(), "opg-enclave-"));
  const given = Object.fromEntries(passedOn.map((name) => [name, process.env[name]]));
  const child = spawn(process.execPath, [program], {
    env: { ...given, ...environment, OPG_ENCLAVE_SOCKETS: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = endOf(child).finally(() => rmSync(folder, { recursive: true, force: true }));
  const over = new AbortController();
  try {
    const socket = await Promise.race([
      connectTo(join(folder, socketNames.messages), over.signal),
      ended.then((how) => {
        over.abort();
        throw new OpgError("configuration", `The enclave cannot be started: ${how}`);
      }),
    ]);
    return {
      pid: child.pid ?? 0,
      socket,
      connections: join(folder, socketNames.connections),
      ended,
      stop: () => stop(child, socket, ended),
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** It ends by itself when the host's connection does. */
async function stop(child: ChildProcess, socket: Socket, ended: Promise<string>): Promise<void> {
  socket.destroy();
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_SECONDS * 1000);
  await ended;
  clearTimeout(timer);
}

function endOf(child: ChildProcess): Promise<string> {
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-KEPT_CHARACTERS)));
  return new Promise((resolve) => {
    const end = (how: string): void => resolve([said.trim().split("\n").at(-1), how].filter(Boolean).join("; "));
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
}

/** As long as the program loads, there is no socket yet. Once it has ended, there will be none. */
async function connectTo(path: string, over: AbortSignal): Promise<Socket> {
  for (let left = (CONNECT_SECONDS * 1000) / RETRY_MS; left > 0 && !over.aborted; left--) {
    const socket = connect(path);
    const isConnected = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    if (isConnected) return socket;
    await sleep(RETRY_MS);
  }
  throw new OpgError("configuration", `The enclave did not answer within ${CONNECT_SECONDS} seconds of its start.`);
}
