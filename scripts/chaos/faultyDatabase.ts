import { connect, createServer, type Socket } from "node:net";

/** A way to the database that can break. */
export interface FaultyDatabase {
  port: number;
  /** Whether nobody gets through. */
  isDown: boolean;
  /** Resets every connection that there is. */
  reset(): void;
  close(): void;
}

/** Listens on a free port and hands every connection on to the database's. */
export async function faultyDatabase(databasePort: number): Promise<FaultyDatabase> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    keep(client);
    if (link.isDown) return void client.resetAndDestroy();
    const database = connect(databasePort, "127.0.0.1");
    keep(database);
    client.pipe(database).pipe(client);
    client.once("close", () => database.destroy());
    database.once("close", () => client.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  const link: FaultyDatabase = {
    port: typeof address === "object" && address ? address.port : 0,
    isDown: false,
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close: () => {
      link.reset();
      server.close();
    },
  };
  return link;
}
