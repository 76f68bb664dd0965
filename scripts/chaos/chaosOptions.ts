import { parseArgs } from "node:util";
import { OpgError } from "#protocol/errors.ts";

/** What `npm run chaos -- …` was asked for. */
export interface ChaosOptions {
  trials: number;
  /** Of the first trial; the next ones count on. */
  seed: number;
  /** Print the counts as one JSON object on the last line of stdout. */
  json: boolean;
}

const TRIALS = 1_000;

/** @throws OpgError `configuration` on an option that does not exist or cannot be read */
export function readChaosOptions(given: readonly string[]): ChaosOptions {
  try {
    const { values } = parseArgs({
      args: [...given],
      options: {
        trials: { type: "string", default: String(TRIALS) },
        seed: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
      },
    });
    return { trials: wholeNumber(values.trials), seed: wholeNumber(values.seed), json: values.json };
  } catch (cause) {
    const known = "--trials NUMBER, --seed NUMBER, --json";
    const words = `${(cause as Error).message.split(".")[0]}; npm run chaos -- takes ${known}.`;
    throw new OpgError("configuration", words, {}, { cause });
  }
}

function wholeNumber(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new Error(`${text} is no whole number from 1 on`);
}
