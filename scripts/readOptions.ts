import { parseArgs } from "node:util";
import { OpgError } from "#protocol/errors.ts";

/** What `npm start -- …` was asked for. */
export interface StartOptions {
  /** End after the trail. */
  once: boolean;
  /** Print the trail as one JSON object on the last line of stdout, and nothing else there. */
  json: boolean;
  /** Show first how a wrong result is refused and refunded. */
  dishonestNode: boolean;
  /** Address to listen on and to announce to other machines. */
  host: string;
}

/** @throws OpgError `configuration` on an option that does not exist */
export function readOptions(given: readonly string[]): StartOptions {
  try {
    const { values } = parseArgs({
      args: [...given],
      options: {
        once: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        "dishonest-node": { type: "boolean", default: false },
        host: { type: "string", default: "127.0.0.1" },
      },
    });
    return { once: values.once, json: values.json, dishonestNode: values["dishonest-node"], host: values.host };
  } catch (cause) {
    const known = "--once, --json, --dishonest-node, --host ADDRESS";
    throw new OpgError(
      "configuration",
      `${(cause as Error).message.split(".")[0]}; npm start -- takes ${known}.`,
      {},
      { cause },
    );
  }
}
