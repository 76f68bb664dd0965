import { OpgError } from "#protocol/errors.ts";

/** Takes it that a daemon was killed before it listened: the write after which it dies may be all that it had to do. */
export function diedAtOnce(error: unknown): undefined {
  if (!(error instanceof OpgError && error.message.includes("SIGKILL"))) throw error;
}
