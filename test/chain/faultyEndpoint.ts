import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { toQuantity } from "ethers";

/** A JSON-RPC request, and what comes back. */
export interface Asked {
  id: number;
  method: string;
  params: unknown[];
}
export interface Answered {
  result?: unknown;
  error?: { code: number; message: string; data?: string };
}

/** What goes wrong at an endpoint: answers a request in place of the chain, which `ask` asks. Nothing: the connection is cut. */
export type Fault = (asked: Asked, ask: (asked: Asked) => Promise<Answered>) => Promise<Answered | undefined>;

/** An endpoint in front of a real one. */
export interface FaultyEndpoint {
  url: string;
  /** Methods that were asked for. */
  asked: string[];
  /** Goes wrong in another way from now on, or not at all. */
  fault: Fault | undefined;
  close(): Promise<void>;
}

/** Starts an endpoint in front of the chain at `rpcUrl`, with its fault or without. */
export async function startFaultyEndpoint(rpcUrl: string, fault?: Fault): Promise<FaultyEndpoint> {
  const ask = async (asked: Asked): Promise<Answered> => {
    const body = JSON.stringify({ jsonrpc: "2.0", ...asked });
    const answer = await fetch(rpcUrl, { method: "POST", headers: { "content-type": "application/json" }, body });
    return (await answer.json()) as Answered;
  };
  const server = createServer((request, response) => {
    const answerTo = async (body: string): Promise<void> => {
      const asked = JSON.parse(body) as Asked;
      endpoint.asked.push(asked.method);
      const answer = await (endpoint.fault?.(asked, ask) ?? ask(asked));
      if (!answer) return void request.socket.destroy();
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ ...answer, jsonrpc: "2.0", id: asked.id }));
    };
    // Whoever asks may be gone before all of the question is here.
    readBody(request)
      .then(answerTo)
      .catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint: FaultyEndpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    fault,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return endpoint;
}

/** Never answers. */
export const hangs: Fault = () => new Promise(() => undefined);

/** Cuts every connection. */
export const isDown: Fault = () => Promise.resolve(undefined);

/** Answers, but late. */
export function isSlow(milliseconds: number): Fault {
  return async (asked, ask) => {
    await sleep(milliseconds);
    return ask(asked);
  };
}

/** Knows nothing of the newest blocks. */
export function lags(blocks: number): Fault {
  return (asked, ask) => answerAsOf(async () => (await newestBlock(ask)) - blocks, asked, ask);
}

/** Answers from an old block for ever. */
export function standsAt(block: number): Fault {
  return (asked, ask) => answerAsOf(() => Promise.resolve(block), asked, ask);
}

/** Answers requests of some methods with something else. */
export function lies(methods: readonly string[], lie: (truth: unknown, asked: Asked) => unknown): Fault {
  return async (asked, ask) => {
    const answer = await ask(asked);
    if (!methods.includes(asked.method)) return answer;
    return { result: lie(answer.result, asked) };
  };
}

/** Changes some fields of what it answers, also of each of a list. */
export function alters(method: string, changes: Record<string, unknown>): Fault {
  const alter = (truth: unknown): unknown => (truth === null ? null : { ...(truth as object), ...changes });
  return lies([method], (truth) => (Array.isArray(truth) ? truth.map(alter) : alter(truth)));
}

/** Refuses what it is asked by one method. */
export function refuses(method: string, error: NonNullable<Answered["error"]>): Fault {
  return (asked, ask) => (asked.method === method ? Promise.resolve({ error }) : ask(asked));
}

async function newestBlock(ask: (asked: Asked) => Promise<Answered>): Promise<number> {
  return Number((await ask({ id: 1, method: "eth_blockNumber", params: [] })).result);
}

async function answerAsOf(
  readHead: () => Promise<number>,
  asked: Asked,
  ask: (asked: Asked) => Promise<Answered>,
): Promise<Answered> {
  const head = await readHead();
  if (asked.method === "eth_blockNumber") return { result: toQuantity(head) };
  const isAhead = (block: unknown): boolean => typeof block === "string" && Number(block) > head;
  const [first, ...rest] = asked.params.map((param) => (param === "latest" ? toQuantity(head) : param));
  if (asked.method === "eth_getBlockByNumber" && isAhead(first)) return { result: null };
  if (rest.some((param) => /^0x[0-9a-f]{1,8}$/.test(String(param)) && isAhead(param))) {
    return { error: { code: -32000, message: "header not found" } };
  }
  const answer = await ask({ ...asked, params: [first, ...rest] });
  const shown = answer.result as { blockNumber?: string } | { blockNumber?: string }[] | null | undefined;
  if (Array.isArray(shown)) return { result: shown.filter(({ blockNumber }) => !isAhead(blockNumber)) };
  return shown && isAhead(shown.blockNumber) ? { result: null } : answer;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
