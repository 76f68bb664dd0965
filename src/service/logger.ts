import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger } from "pino";

/**
 * Structured log lines on stdout. What could hold a secret, a prompt or an answer is censored wherever it appears,
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
    serializers: { err: pino.stdSerializers.err },
  };
  return destination ? pino(options, destination) : pino(options);
}
