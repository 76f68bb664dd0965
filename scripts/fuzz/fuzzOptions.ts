import { parseArgs } from "node:util";
import { OpgError } from "#protocol/errors.ts";

/** What `npm run fuzz -- …` was asked for. */
export interface FuzzOptions {
  mutants: number;
  /** Which mutants: the same seed makes the same choices. */
  seed: number;
  /** Print the counts as one JSON object on the last line of stdout. */
  json: boolean;
}

const MUTANTS = 100_000;

/** @throws OpgError `configuration` on an option that does not exist or cannot be read */
export function readFuzzOptions(given: readonly string[]): FuzzOptions {
  try {
    const { values } = parseArgs({
      args: [...given],
      options: {
        mutants: { type: "string", default: String(MUTANTS) },
        seed: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
      },
    });
    return { mutants: wholeNumber(values.mutants), seed: wholeNumber(values.seed), json: values.json };
  } catch (cause) {
    const known = "--mutants NUMBER, --seed NUMBER, --json";
    const words = `${(cause as Error).message.split(".")[0]}; npm run fuzz -- takes ${known}.`;
    throw new OpgError("configuration", words, {}, { cause });
  }
}

function wholeNumber(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new Error(`${text} is no whole number from 1 on`);
}
