import { type DestinationStream, type Logger, pino } from "pino";
import { gatheredLines } from "./gatheredLines.ts";
import { currentRequestId } from "./requestId.ts";

export type { Logger } from "pino";

/** One for all loggers of the process, made when the first needs it. */
let stdout: DestinationStream | undefined;
const STDOUT = 1;
const CENSORED = "[censored]";
const secrets = new Set(["signature", "privateKey", "key", "inputs", "outputs", "salt", "evidence", "databaseUrl"]);

/**
 * Structured log lines on stdout; those of a request carry its id. What could hold a secret, a prompt or an answer is censored wherever it appears,
 * though nothing should ever hand it over.
 *
 * @param name - the daemon's name, in every line
 * @param level - pino's: trace, debug, info, warn, error, fatal or silent
 */
export function createLogger(name: string, level: string, destination?: DestinationStream): Logger {
  const options = {
    name,
    level,
    formatters: { level: (label: string) => ({ level: label }), log: censored },
    serializers: { err: describeError },
    mixin: requestFields,
  };
  return pino(options, destination ?? (stdout ??= gatheredLines(STDOUT)));
}

/** pino can do the same by paths, and takes longer over a line than all else together. */
function censored(fields: Record<string, unknown>): Record<string, unknown> {
  let clean = fields;
  for (const [name, value] of Object.entries(fields)) {
    const shown = secrets.has(name) ? CENSORED : withoutSecrets(value);
    if (shown === value) continue;
    if (clean === fields) clean = { ...fields };
    clean[name] = shown;
  }
  return clean;
}

/** Of an error, only what {@link describeError} says is shown. */
function withoutSecrets(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Error) return value;
  const held = Object.keys(value).filter((name) => secrets.has(name));
  return held.length === 0 ? value : { ...value, ...Object.fromEntries(held.map((name) => [name, CENSORED])) };
}

function requestFields(): { requestId?: string } {
  const requestId = currentRequestId();
  return requestId === undefined ? {} : { requestId };
}

/**
 * What a log says of an error. Other properties stay out, and where ethers has a short message it stands for the long one,
 * which repeats whole transactions with the signatures in them.
 */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, shortMessage = message, code, stack = "", cause } = error as ErrorProperties;
  const frames = stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .join("\n");
  const described = { type: name, code, message: shortMessage, stack: frames };
  return cause === undefined ? described : { ...described, cause: describeError(cause) };
}

interface ErrorProperties extends Error {
  code?: unknown;
  shortMessage?: string;
}
