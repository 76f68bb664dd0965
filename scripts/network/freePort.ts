import { createServer, type Server } from "node:net";
import { OpgError } from "#protocol/errors.ts";

const loopback = "127.0.0.1";

/**
 * Ports that are given to those who start a process a while later. Systems take none of these for a connection or a server
 * that does not mind which it gets: Linux gives out 32,768 and higher, gVisor 16,000 and higher, others 49,152 and higher.
 */
const FIRST_PORT = 10_000;
const END_PORT = 16_000;
/** One process has this many: those of its first block, again from the start when all have been given. */
const BLOCK_PORTS = 200;

let ownBlock: Promise<number> | undefined;
let given = 0;

/**
 * A TCP port of 127.0.0.1 on which nothing listens, and which no other process is given by this as long as this one lives.
 *
 * @throws OpgError `configuration` when there is none
 */
export async function freePort(): Promise<number> {
  const first = await (ownBlock ??= takeBlock());
  for (let tried = 1; tried < BLOCK_PORTS; tried += 1) {
    const port = first + 1 + (given++ % (BLOCK_PORTS - 1));
    if (await isFree(port, loopback)) return port;
  }
  throw noPortLeft();
}

/** Listening on a block's first port until the process ends is what makes the block its own. */
async function takeBlock(): Promise<number> {
  for (let first = FIRST_PORT; first < END_PORT; first += BLOCK_PORTS) {
    const server = await listen(first, loopback);
    if (server === undefined) continue;
    server.unref();
    return first;
  }
  throw noPortLeft();
}

function noPortLeft(): OpgError {
  const range = `${FIRST_PORT} to ${END_PORT - 1}`;
  return new OpgError("configuration", `No port of ${range} is free on 127.0.0.1; stop something that listens there.`);
}

/**
 * @param port - which `who` is about to listen on
 * @param who - named in the message
 * @param host - address of this machine
 * @throws OpgError `configuration` when something listens there already
 */
export async function requireFreePort(port: number, who: string, host = loopback): Promise<void> {
  if (await isFree(port, host)) return;
  throw new OpgError(
    "configuration",
    `Port ${port} is in use, but ${who} needs it; stop what listens there and start again.`,
    { port },
  );
}

async function isFree(port: number, host: string): Promise<boolean> {
  const server = await listen(port, host);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** Answers with nothing when the port is in use. */
function listen(port: number, host: string): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => {
      resolve(undefined);
    });
    server.listen(port, host, () => {
      resolve(server);
    });
  });
}
