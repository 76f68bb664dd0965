import { BlockList, connect, createServer, type Socket } from "node:net";
import { clientAddress } from "#service/clientAddress.ts";
import { listenAt, type ListenPlace } from "#service/httpServer.ts";

/** What the enclave has ended may take so long to reach the caller. */
const LINGER_SECONDS = 20;
/** More callers than this at once are hung up on: each takes two of this process's descriptors, and one of the enclave's. */
const MAX_CONNECTIONS = 1_000;
/** And more than this of one address: a gateway is one, and has up to six tasks and a few questions under way. */
const MAX_OF_ADDRESS = 250;
/** Whoever wants something begins to speak at once. */
const SILENT_SECONDS = 10;
/** What a proxy would have to say of whom it speaks for is inside TLS. */
const nobody = new BlockList();

/** A port whose connections lead into the enclave. */
export interface ForwardedPort {
  url: string;
  /** Stops accepting, and cuts what is open. */
  close(): Promise<void>;
}

/**
 * Accepts TCP connections and passes their bytes to the enclave's socket and back, as they come: TLS ends in there. Neither side is
 * read faster than the other one takes it. An address has a share of the connections, and who says nothing is hung up on.
 *
 * @param path - of the enclave's socket for connections
 * @param silentSeconds - until a first byte has to come
 * @throws OpgError `configuration` when the port is taken
 */
export async function forwardConnections(
  path: string,
  place: ListenPlace,
  silentSeconds = SILENT_SECONDS,
): Promise<ForwardedPort> {
  const open = new Set<Socket>();
  const shares = new Shares();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (outside) => {
    if (!shares.take(outside)) return outside.destroy();
    outside.setTimeout(silentSeconds * 1000, () => {
      if (outside.bytesRead === 0) outside.destroy();
    });
    const inside = connect({ path, allowHalfOpen: true });
    for (const socket of [outside, inside]) {
      open.add(socket);
      socket.once("close", () => open.delete(socket));
    }
    pass(outside, inside);
    pass(inside, outside);
  });
  server.maxConnections = MAX_CONNECTIONS;
  const { port } = await listenAt(server, place);
  return {
    url: `https://${place.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** How many connections each address has. */
class Shares {
  readonly #counts = new Map<string, number>();

  /** Counts a connection until it is closed. @returns false where its address has all that it may have */
  take(socket: Socket): boolean {
    const address = clientAddress(socket.remoteAddress ?? "", undefined, nobody);
    const count = this.#counts.get(address) ?? 0;
    if (count >= MAX_OF_ADDRESS) return false;
    this.#counts.set(address, count + 1);
    socket.once("close", () => this.#release(address));
    return true;
  }

  #release(address: string): void {
    const count = (this.#counts.get(address) ?? 0) - 1;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }
}

function pass(from: Socket, to: Socket): void {
  from.pipe(to);
  from.on("error", () => to.destroy());
  from.on("close", () => {
    if (to.closed) return;
    to.destroySoon();
    const cut = setTimeout(() => to.destroy(), LINGER_SECONDS * 1000).unref();
    to.once("close", () => clearTimeout(cut));
  });
}
