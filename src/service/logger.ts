import { type DestinationStream, type Logger, pino } from "pino";
import { currentRequestId } from "./requestId.ts";

export type { Logger } from "pino";

/**
 * Structured log lines on stdout; those of a request carry its id. What could hold a secret, a prompt or an answer is censored wherever it appears,
 * though nothing should ever hand it over.
 *
 * @param name - the daemon's name, in every line
 * @param level - pino's: trace, debug, info, warn, error, fatal or silent
 */
export function createLogger(name: string, level: string, destination?: DestinationStream): Logger {
  const secret = ["signature", "privateKey", "key", "inputs", "outputs", "salt", "evidence", "databaseUrl"];
  const options = {
    name,
    level,
    redact: { paths: secret.flatMap((word) => [word, `*.${word}`]), censor: "[censored]" },
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError },
    mixin: requestFields,
  };
  return destination ? pino(options, destination) : pino(options);
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
