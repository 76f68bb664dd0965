import { createServer, request } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** A proxy in front of a chain that counts what it is asked. */
export interface CountingProxy {
  url: string;
  /** Calls since the last time this was asked, by method. */
  taken(): Record<string, number>;
  stop(): Promise<void>;
}

/** Passes JSON-RPC on to `target` and counts it. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  let counts: Record<string, number> = {};
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks);
      for (const method of methodsIn(body)) counts[method] = (counts[method] ?? 0) + 1;
      const passed = request(target, { method: "POST", headers: { "content-type": "application/json" } }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, { "content-type": "application/json" });
        answer.pipe(outgoing);
      });
      passed.on("error", () => outgoing.destroy());
      passed.end(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken: () => {
      const taken = counts;
      counts = {};
      return taken;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function methodsIn(body: Buffer): string[] {
  const content = JSON.parse(body.toString("utf8")) as { method: string } | { method: string }[];
  return [content].flat().map(({ method }) => method);
}
