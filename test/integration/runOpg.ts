import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Processes } from "./journeyNetwork.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const hardhat = join(dirname(createRequire(import.meta.url).resolve("hardhat")), "cli.js");

/** How a command ended, and what it said. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `hardhat opg …` on a journey's network, as a person would. @param variables - beside the network's */
export function runOpg(
  { local }: Pick<Processes, "local">,
  words: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, OPG_NETWORK: local.places.network, ...variables };
    execFile(process.execPath, [hardhat, "opg", ...words], { cwd: root, env }, (error, stdout, stderr) => {
      resolve({ code: error ? 1 : 0, stdout, stderr });
    });
  });
}
