import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { OpgError } from "#protocol/errors.ts";
import { type OpenNetwork, openNetwork } from "./openNetwork.ts";

/** Prints one line for a person. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/**
 * Makes a Hardhat action out of a function over the open network. What a person can mend ends in one line on stderr and
 * exit code 1, not in a stack trace.
 */
export function networkTask<Options>(run: (opened: OpenNetwork, options: Options) => Promise<void>) {
  return plainTask<Options>(async (options, hre) => {
    const opened = await openNetwork(hre);
    try {
      await run(opened, options);
    } finally {
      opened.provider.destroy();
    }
  });
}

/** The same for tasks that need no running network. */
export function plainTask<Options>(run: (options: Options, hre: HardhatRuntimeEnvironment) => Promise<void>) {
  return async (options: Options, hre: HardhatRuntimeEnvironment): Promise<void> => {
    try {
      await run(options, hre);
    } catch (error) {
      if (!(error instanceof Error) || !isForPeople(error)) throw error;
      process.stderr.write(`${error.message}${error instanceof OpgError ? ` (${error.code})` : ""}\n`);
      process.exitCode = 1;
    }
  };
}

function isForPeople(error: Error): boolean {
  return error instanceof OpgError || error.name === "CallReverted";
}
