import { isError } from "ethers";
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
      const sentence = sentenceFor(error);
      if (sentence === undefined) throw error;
      process.stderr.write(`${sentence}\n`);
      process.exitCode = 1;
    }
  };
}

/** What a person can do about an error; nothing where it is a fault of ours. */
function sentenceFor(error: unknown): string | undefined {
  if (error instanceof OpgError) return `${error.message} (${error.code})`;
  if (isError(error, "INSUFFICIENT_FUNDS")) {
    return "The account has too little ether to pay for the transaction; send it some, or use another account.";
  }
  return error instanceof Error && error.name === "CallReverted" ? error.message : undefined;
}
