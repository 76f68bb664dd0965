import { connect, createServer, type Socket } from "node:net";
import { listenAt, type ListenPlace } from "#service/httpServer.ts";

/** What the enclave has ended may take so long to reach the caller. */
const LINGER_SECONDS = 20;
/** More callers than this at once are hung up on: each takes two of this process's descriptors, and one of the enclave's. */
const MAX_CONNECTIONS = 1_000;

/** A port whose connections lead into the enclave. */
export interface ForwardedPort {
  url: string;
  /** Stops accepting, and cuts what is open. */
  close(): Promise<void>;
}

/**
 * Accepts TCP connections and passes their bytes to the enclave's socket and back, as they come: TLS ends in there. Neither side is
 * read faster than the other one takes it.
 *
 * @param path - of the enclave's socket for connections
 * @throws OpgError `configuration` when the port is taken
 */
export async function forwardConnections(path: string, place: ListenPlace): Promise<ForwardedPort> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (outside) => {
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
