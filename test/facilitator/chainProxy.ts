import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A call as it came, and what the endpoint is to say in place of the chain. */
export interface ProxiedCall {
  method: string;
  params: readonly unknown[];
}

/** What becomes of a call: an error or another result in place of the chain's answer, or no answer though the chain has it. */
export type Disturbance = { error: string } | { result: unknown } | "answer lost" | undefined;

/** A JSON-RPC endpoint before a chain that counts calls, and disturbs those that a test wants disturbed. */
export async function startChainProxy(chainUrl: string) {
  const calls: ProxiedCall[] = [];
  let disturb: (call: ProxiedCall) => Disturbance = () => undefined;
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      const call = JSON.parse(body) as ProxiedCall & { id: number };
      calls.push(call);
      const disturbance = disturb(call);
      if (typeof disturbance === "object") {
        const said =
          "error" in disturbance
            ? { error: { code: -32_000, message: disturbance.error } }
            : { result: disturbance.result };
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ jsonrpc: "2.0", id: call.id, ...said }));
        return;
      }
      const headers = { "content-type": "application/json" };
      const answer = await fetch(chainUrl, { method: "POST", headers, body });
      const text = await answer.text();
      if (disturbance === "answer lost") return void response.destroy();
      response.setHeader("content-type", "application/json");
      response.end(text);
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    countOf: (method: string): number => calls.filter((call) => call.method === method).length,
    forget: (): void => void calls.splice(0),
    disturbWith: (rule: (call: ProxiedCall) => Disturbance): void => void (disturb = rule),
    close: (): Promise<void> =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export type ChainProxy = Awaited<ReturnType<typeof startChainProxy>>;
