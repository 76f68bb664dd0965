import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { NetworkConnection } from "hardhat/types/network";

interface RpcRequest {
  id: number;
  method: string;
  params: unknown[];
}

/** A chain of Hardhat's behind HTTP, as daemons expect one. */
export interface ServedChain {
  url: string;
  close(): Promise<void>;
}

/** Serves a connection's chain over JSON-RPC on a free port. */
export async function serveChain({ provider }: NetworkConnection): Promise<ServedChain> {
  const answer = async (message: IncomingMessage): Promise<unknown> => {
    const { id, method, params } = JSON.parse(await readAll(message)) as RpcRequest;
    try {
      const result: unknown = await provider.request({ method, params });
      return { jsonrpc: "2.0", id, result };
    } catch (error) {
      const { code = -32_603, message: text, data } = error as { code?: number; message: string; data?: unknown };
      return { jsonrpc: "2.0", id, error: { code, message: text, data } };
    }
  };
  const server = createServer((message, response) => {
    answer(message)
      .then((body) => response.setHeader("content-type", "application/json").end(JSON.stringify(body)))
      // Whoever asks may be gone before all of the question is here.
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readAll(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
