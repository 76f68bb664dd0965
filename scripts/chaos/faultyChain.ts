import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { answerFromOldBlock, askAsOfBlock } from "./oldBlock.ts";
import type { ChainFault } from "./faults/faultPlan.ts";
import { lieAbout } from "./lies.ts";

/** A JSON-RPC request. */
export interface RpcRequest {
  id: number;
  method: string;
  params: unknown[];
}

/** What is answered to it; a result or an error. */
export interface RpcAnswer {
  id: number;
  result?: unknown;
  error?: unknown;
}

/** What an endpoint does at the moment; an old one stays at one block. */
export type ChainMode = Exclude<ChainFault, { kind: "old" }> | { kind: "honest" } | { kind: "old"; head: number };

/** An endpoint of the chain that can go wrong. */
export interface FaultyChain {
  url: string;
  mode: ChainMode;
  close(): void;
}

/** Listens on a free port and hands requests on to the chain. */
export async function faultyChain(chainUrl: string): Promise<FaultyChain> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    request.on("end", () => {
      if (endpoint.mode.kind === "down") return void request.socket.resetAndDestroy();
      answer(chainUrl, endpoint.mode, Buffer.concat(chunks).toString()).then(
        (text) => {
          // It may have gone down meanwhile: then the answer is lost, though the chain has heard the question.
          if (endpoint.mode.kind === "down") return void request.socket.resetAndDestroy();
          response.setHeader("content-type", "application/json").end(text);
        },
        () => request.socket.resetAndDestroy(),
      );
    });
  });
  // Only faults that were drawn may cut a connection.
  server.keepAliveTimeout = 0;
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  const endpoint: FaultyChain = {
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    mode: { kind: "honest" },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return endpoint;
}

async function answer(chainUrl: string, mode: ChainMode, body: string): Promise<string> {
  if (mode.kind === "slow") await sleep(mode.delayMs);
  if (mode.kind === "honest" || mode.kind === "slow" || mode.kind === "down") return post(chainUrl, body);
  const asked = JSON.parse(body) as RpcRequest | RpcRequest[];
  const answers = await Promise.all([asked].flat().map((request) => alter(chainUrl, mode, request)));
  return JSON.stringify(Array.isArray(asked) ? answers : answers[0]);
}

async function alter(
  chainUrl: string,
  mode: Extract<ChainMode, { kind: "old" | "lying" }>,
  request: RpcRequest,
): Promise<RpcAnswer> {
  const asked = mode.kind === "old" ? askAsOfBlock(request, mode.head) : request;
  const honest = JSON.parse(await post(chainUrl, JSON.stringify(asked))) as RpcAnswer;
  return mode.kind === "old" ? answerFromOldBlock(request, honest, mode.head) : lieAbout(mode.about, request, honest);
}

async function post(url: string, body: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  return (await fetch(url, { method: "POST", headers, body })).text();
}
