import { OpgError } from "#protocol/errors.ts";
import type { Logger } from "./logger.ts";

/** A started daemon: where it listens and how to end it. */
export interface Daemon {
  url: string;
  logger: Logger;
  /** Finishes what runs, then lets go of everything. */
  stop(): Promise<void>;
  /** Resolves, with a sentence, when something has ended without which the daemon cannot go on: it need not be stopped then. */
  readonly failed?: Promise<string>;
}

/**
 * Runs a daemon as this process: prints where it listens, drains on SIGTERM and SIGINT, and leaves with one clear line
 * when it cannot start.
 */
export async function runDaemon(start: (environment: NodeJS.ProcessEnv) => Promise<Daemon>): Promise<void> {
  let daemon: Daemon;
  try {
    daemon = await start(process.env);
  } catch (error) {
    process.stderr.write(`${error instanceof OpgError ? error.message : String(error)}\n`);
    process.exit(1);
  }
  daemon.logger.info({ url: daemon.url }, "listening");
  let isStopping = false;
  void daemon.failed?.then((how) => {
    if (isStopping) return;
    process.stderr.write(`${how}\n`);
    process.exit(1);
  });
  const stop = (signal: NodeJS.Signals): void => {
    // Who asks twice does not want to wait: the exit code says that it was cut short.
    if (isStopping) process.exit(1);
    isStopping = true;
    daemon.logger.info({ signal }, "stopping");
    daemon.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        daemon.logger.error({ err: error }, "stopping failed");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}
