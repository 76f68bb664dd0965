import { createLogger, type Logger } from "#service/logger.ts";

/** One line of a log. */
export type LogLine = Record<string, unknown> & { msg: string };

/** A logger whose lines can be read. */
export function readableLogger(level = "debug"): { logger: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const logger = createLogger("test", level, { write: (text) => lines.push(JSON.parse(text) as LogLine) });
  return { logger, lines };
}
