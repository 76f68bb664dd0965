import { toQuantity } from "ethers";
import type { RpcAnswer, RpcRequest } from "./faultyChain.ts";

const newest = new Set<unknown>(["latest", "pending", "safe", "finalized"]);

/** Calls whose last parameter, which may be left out, is a block; by how many parameters come before it. */
const blockAfter: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_estimateGas: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getTransactionCount: 1,
  eth_getStorageAt: 2,
  eth_getBlockByNumber: 0,
};

/** The request as an endpoint understands it that has no block after `head`. */
export function askAsOfBlock(request: RpcRequest, head: number): RpcRequest {
  const { method, params } = request;
  if (method === "eth_getLogs") return { ...request, params: [upTo(params[0], head)] };
  const place = blockAfter[method];
  if (place === undefined) return request;
  const asked = params[place];
  if (asked !== undefined && !newest.has(asked)) return request;
  const changed = [...params];
  changed[place] = toQuantity(head);
  return { ...request, params: changed };
}

/** What such an endpoint answers: nothing that came later. */
export function answerFromOldBlock({ method, params }: RpcRequest, honest: RpcAnswer, head: number): RpcAnswer {
  if (method === "eth_blockNumber") return { ...honest, result: toQuantity(head) };
  const place = blockAfter[method];
  const asked = place === undefined ? undefined : params[place];
  if (typeof asked === "string" && /^0x/.test(asked) && Number(asked) > head) return withoutBlock(method, honest);
  const { result } = honest;
  if (typeof result !== "object" || result === null || Array.isArray(result)) return honest;
  const block = "blockNumber" in result ? result.blockNumber : "number" in result ? result.number : undefined;
  return typeof block === "string" && Number(block) > head ? { ...honest, result: null } : honest;
}

function withoutBlock(method: string, { id, ...rest }: RpcAnswer): RpcAnswer {
  if (method === "eth_getBlockByNumber") return { ...rest, id, result: null };
  return { ...{ jsonrpc: "2.0", id }, error: { code: -32_000, message: "header not found" } };
}

function upTo(filter: unknown, head: number): unknown {
  if (typeof filter !== "object" || filter === null || !("toBlock" in filter)) return filter;
  const { toBlock } = filter;
  const isLater = newest.has(toBlock) || Number(toBlock) > head;
  return isLater ? { ...filter, toBlock: toQuantity(head) } : filter;
}
