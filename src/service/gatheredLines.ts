import { type DestinationStream, pino } from "pino";

/**
 * Writes lines to a file descriptor once for each turn of the event loop, and what is left when the process ends: one system
 * call then serves all requests of the turn.
 */
export function gatheredLines(descriptor: number): DestinationStream {
  const file = pino.destination({ dest: descriptor, sync: true });
  let lines = "";
  const flush = (): void => {
    const gathered = lines;
    lines = "";
    if (gathered !== "") file.write(gathered);
  };
  process.on("exit", flush);
  return {
    write(line) {
      if (lines === "") setImmediate(flush);
      lines += line;
    },
  };
}
