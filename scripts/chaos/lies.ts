import { dataSlice, toBeHex, toQuantity } from "ethers";
import type { RpcAnswer, RpcRequest } from "./faultyChain.ts";
import type { ChainFault } from "./faults/faultPlan.ts";

type Subject = Extract<ChainFault, { kind: "lying" }>["about"];

const WORD = 32;
/** Larger words are addresses and digests, smaller ones flags, lengths and places. */
const amounts = { least: 100n, most: 2n ** 128n } as const;
/** How far a made-up block or count is ahead. */
const AHEAD = 7;

/** Alters the chain's own answer where it is about the subject. */
export function lieAbout(subject: Subject, { method }: RpcRequest, honest: RpcAnswer): RpcAnswer {
  const { result } = honest;
  switch (subject) {
    case "balances":
      if (method === "eth_getBalance") return { ...honest, result: "0x0" };
      return method === "eth_call" && typeof result === "string"
        ? { ...honest, result: withoutAmounts(result) }
        : honest;
    case "receipts":
      return method === "eth_getTransactionReceipt" ? { ...honest, result: turned(result) } : honest;
    case "nonces":
      return method === "eth_getTransactionCount" ? { ...honest, result: later(result) } : honest;
    case "blocks":
      return method === "eth_blockNumber" ? { ...honest, result: later(result) } : honest;
  }
}

/** Every amount that a contract answered is none. */
function withoutAmounts(data: string): string {
  const length = (data.length - 2) / 2;
  if (length === 0 || length % WORD !== 0) return data;
  const words = Array.from({ length: length / WORD }, (_, index) => dataSlice(data, index * WORD, (index + 1) * WORD));
  const isAmount = (word: string): boolean => BigInt(word) >= amounts.least && BigInt(word) < amounts.most;
  return `0x${words.map((word) => (isAmount(word) ? toBeHex(0, WORD) : word).slice(2)).join("")}`;
}

/** What succeeded has failed, and the other way round. */
function turned(receipt: unknown): unknown {
  if (typeof receipt !== "object" || receipt === null || !("status" in receipt)) return receipt;
  return { ...receipt, status: receipt.status === "0x1" ? "0x0" : "0x1" };
}

function later(quantity: unknown): unknown {
  return typeof quantity === "string" ? toQuantity(Number(quantity) + AHEAD) : quantity;
}
