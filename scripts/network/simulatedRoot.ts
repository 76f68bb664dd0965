import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import {
  makeSimulatedRoot,
  readSimulatedRoot,
  simulatedRootFingerprint,
  writeSimulatedRoot,
} from "#attestation/nitro/simulated.ts";

/**
 * The root that vouches for the nodes of a network on this machine: the one that lies in a file, or a new one that is kept there.
 *
 * @returns its PEM, for the nodes alone, and the fingerprint by which the network names it
 */
export async function openSimulatedRoot(file: string): Promise<{ pem: string; fingerprint: string }> {
  if (!existsSync(file)) {
    const made = writeSimulatedRoot(await makeSimulatedRoot(Math.floor(Date.now() / 1000)));
    await writeFile(file, made, { mode: 0o600 });
  }
  const pem = await readFile(file, "utf8");
  return { pem, fingerprint: simulatedRootFingerprint(readSimulatedRoot(pem)) };
}
