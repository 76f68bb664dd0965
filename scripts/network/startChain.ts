import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { OpgError } from "#protocol/errors.ts";
import { requireFreePort } from "./freePort.ts";
import { ownedProcess, type OwnedProcess } from "./ownedProcess.ts";

/** Where and how the chain runs. */
export interface ChainOptions {
  port: number;
  /** Address to listen on; 127.0.0.1 unless named. */
  host?: string;
  /** The chain is kept here; a later start goes on where it was. */
  stateFolder: string;
  /** Fractions of a second work. */
  blockTimeSeconds: number;
  chainId: number;
  logFile: string;
}

/** A chain that runs until it is stopped or this process ends. */
export interface Chain {
  /** JSON-RPC over HTTP. */
  url: string;
  process: OwnedProcess;
  /** Writes the chain's state and ends it. */
  stop(): Promise<void>;
}

/** A killed chain forgets what happened since it last wrote its state; all of it is written each time. */
const stateIntervalSeconds = 5;
const blockGasLimit = 300_000_000;

/**
 * Starts anvil, whose ten accounts are those of its well-known mnemonic.
 *
 * @throws OpgError `configuration` when the port is in use or there is no anvil
 * @throws OpgError `internal` when anvil ends at once
 */
export async function startChain(options: ChainOptions): Promise<Chain> {
  const { port, host = "127.0.0.1", stateFolder, blockTimeSeconds, chainId, logFile } = options;
  const command = anvil();
  await requireFreePort(port, "the chain", host);
  mkdirSync(stateFolder, { recursive: true });
  const process = ownedProcess({
    name: "anvil",
    command,
    parameters: [
      ...["--host", host, "--port", `${port}`, "--chain-id", `${chainId}`],
      ...[
        "--block-time",
        `${blockTimeSeconds}`,
        "--gas-limit",
        `${blockGasLimit}`,
        "--prune-history",
        "128",
        "--quiet",
      ],
      ...["--state", join(stateFolder, "state.json"), "--state-interval", `${stateIntervalSeconds}`],
    ],
    logFile,
  });
  const url = `http://${host === "0.0.0.0" ? "127.0.0.1" : host}:${port}`;
  const failed = new AbortController();
  await Promise.race([answer(url, failed.signal), process.failure]).finally(() => failed.abort());
  return { url, process, stop: () => process.stop() };
}

/** Resolves when the chain answers. */
async function answer(url: string, signal: AbortSignal): Promise<void> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
  const headers = { "content-type": "application/json" };
  while (!signal.aborted) {
    const response = await fetch(url, { method: "POST", headers, body, signal }).catch(() => undefined);
    if (response?.ok) return;
    await setTimeout(20);
  }
}

function anvil(): string {
  const packaged = fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));
  for (const folder of [packaged, ...(globalThis.process.env["PATH"] ?? "").split(delimiter)]) {
    const candidate = join(folder, "anvil");
    if (existsSync(candidate)) return candidate;
  }
  throw new OpgError(
    "configuration",
    "anvil is missing; install Foundry, so that anvil is on the PATH, and start again.",
  );
}
