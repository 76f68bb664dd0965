import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { createExecutor, type Executor } from "#execution/executor.ts";
import { OpgError } from "#protocol/errors.ts";
import { type Clock, systemClock } from "#service/clock.ts";
import { readConfig } from "#service/config.ts";
import { EnclaveService } from "./enclaveService.ts";
import { type EnclaveKeys, makeKeys } from "./makeKeys.ts";
import { openPlatform, platformVariables } from "./openPlatform.ts";
import { socketNames } from "./socketNames.ts";

/** A host that does not start its enclave within it is gone. */
const START_SECONDS = 60;

const enclaveVariables = {
  /** Folder that the enclave makes its sockets in; nobody but the host reaches it. */
  OPG_ENCLAVE_SOCKETS: z.string().min(1),
  ...platformVariables,
};

/** What a test's enclave may have of its own. */
export interface EnclaveParts {
  executor?: Executor;
  clock?: Clock;
  makeKeys?: (now: number) => Promise<EnclaveKeys>;
}

/**
 * Runs an enclave as this process, for one host: it ends when that one is gone. It prints nothing, as what it knows could be in
 * it; where it cannot go on, one line without any value.
 */
export async function runEnclave(parts: EnclaveParts = {}): Promise<void> {
  guard();
  const config = readConfig(enclaveVariables, process.env);
  const folder = config.OPG_ENCLAVE_SOCKETS;
  const end = (): never => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(0);
  };
  const clock = parts.clock ?? onlyForward(systemClock);
  const service = new EnclaveService({
    platform: await openPlatform(config, clock),
    executor: parts.executor ?? (await createExecutor()),
    clock,
    makeKeys: parts.makeKeys ?? makeKeys,
    connections: join(folder, socketNames.connections),
    onHostGone: end,
  });
  createServer((socket) => service.accept(socket)).listen(join(folder, socketNames.messages));
  setTimeout(() => service.isStarted || end(), START_SECONDS * 1000).unref();
}

/** The host drains the node and then ends: what asks it to stop often asks its whole process group. */
function guard(): void {
  process.on("SIGTERM", () => undefined);
  process.on("SIGINT", () => undefined);
  process.on("uncaughtException", (error: unknown) => {
    process.stderr.write(`${describe(error)}\n`);
    process.exit(1);
  });
}

/** Where it failed; messages of errors that are not ours may repeat what was worked on. */
function describe(error: unknown): string {
  if (error instanceof OpgError) return error.message;
  if (!(error instanceof Error)) return "something failed";
  const frame = error.stack?.split("\n").find((line) => /^\s+at /.test(line)) ?? "";
  return `${error.name}${frame.replace(/^\s+/, " ")}`;
}

/** A host that sets the clock back would have tasks forgotten as ended and run again. */
function onlyForward(clock: Clock): Clock {
  let latest = 0;
  return () => (latest = Math.max(latest, clock()));
}
