import { OpgError } from "#protocol/errors.ts";
import { demonstrate } from "./demonstrate.ts";
import { stateFolder, usualPorts } from "./network/places.ts";
import { startLocalNetwork } from "./network/localNetwork.ts";

import { readOptions, type StartOptions } from "./readOptions.ts";
import { servingText, simulatedText } from "./startText.ts";

/** Half of what a fast public chain takes: a trail is there soon, and waiting for a block is still seen. */
const BLOCK_SECONDS = 0.5;
/** A call from an account is settled while one watches; elsewhere a batch waits for more of them, for they share its gas. */
const BATCH_AGE_SECONDS = 5;

const startedAt = Date.now();

/** Progress goes to stderr, so that stdout holds the trail alone. */
function progress(line: string): void {
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`${seconds} s  ${line}\n`);
}

/** Brings a network up, sends one paid request through it, and serves until interrupted. */
async function run(options: StartOptions): Promise<void> {
  const { host, once, json, dishonestNode } = options;
  const network = await startLocalNetwork({
    folder: stateFolder,
    host,
    ports: usualPorts,
    blockTimeSeconds: BLOCK_SECONDS,
    progress,
    env: { facilitator: { OPG_BATCH_AGE_SECONDS: String(BATCH_AGE_SECONDS) } },
    ...(dishonestNode ? { programs: { "node-1": "scripts/demonstration/dishonestNode.ts" } } : {}),
  });
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  try {
    const work = demonstrate(network, options, progress);
    const shown = await Promise.race([work.then(() => true), interrupted.then(() => false)]);
    if (!shown) return;
    const people = json ? process.stderr : process.stdout;
    people.write(`${simulatedText}\n`);
    if (once) return;
    people.write(`${servingText(network.network)}\n`);
    await interrupted;
  } finally {
    progress("stopping what was started");
    await network.stop();
  }
}

try {
  await run(readOptions(process.argv.slice(2)));
  process.exit();
} catch (error) {
  process.stderr.write(
    `${error instanceof OpgError ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exit(1);
}
