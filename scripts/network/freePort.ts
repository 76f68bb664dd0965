import { createServer } from "node:net";
import { OpgError } from "#protocol/errors.ts";

const loopback = "127.0.0.1";

/** A TCP port of 127.0.0.1 on which nothing listens at the moment. */
export async function freePort(): Promise<number> {
  const bound = await bind(0, loopback);
  if (bound === undefined)
    throw new OpgError("configuration", "No free port is left on 127.0.0.1; stop something that listens there.");
  return bound;
}

/**
 * @param port - which `who` is about to listen on
 * @param who - named in the message
 * @param host - address of this machine
 * @throws OpgError `configuration` when something listens there already
 */
export async function requireFreePort(port: number, who: string, host = loopback): Promise<void> {
  if ((await bind(port, host)) !== undefined) return;
  throw new OpgError(
    "configuration",
    `Port ${port} is in use, but ${who} needs it; stop what listens there and start again.`,
    { port },
  );
}

function bind(port: number, host: string): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => {
      resolve(undefined);
    });
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === "object" ? address?.port : undefined);
      });
    });
  });
}
