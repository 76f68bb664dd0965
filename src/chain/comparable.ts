import type { Answer } from "./endpoint.ts";
import { revertData } from "./decodeRevert.ts";

/** How chains put it that a call was run, and failed without giving data. */
export const executionFailed = /revert|evm error|vm exception|execution|out ?of ?gas|gas required|opcode|stack|jump/i;

const METHOD_NOT_FOUND = -32601;

const logFields = [
  ...["address", "topics", "data", "blockNumber", "blockHash"],
  ...["transactionHash", "transactionIndex", "logIndex"],
];
const blockFields = [
  ...["number", "hash", "parentHash", "timestamp", "baseFeePerGas", "gasLimit", "gasUsed", "miner", "extraData"],
  ...["nonce", "difficulty", "stateRoot", "receiptsRoot", "transactionsRoot", "transactions"],
];
const receiptFields = [
  ...["transactionHash", "transactionIndex", "blockHash", "blockNumber", "from", "to", "contractAddress"],
  ...["status", "type", "gasUsed", "cumulativeGasUsed", "effectiveGasPrice", "logsBloom", "logs"],
];
const transactionFields = [
  ...["hash", "blockHash", "blockNumber", "transactionIndex", "from", "to", "value", "input", "nonce", "type", "gas"],
  ...["gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "chainId", "accessList", "r", "s", "v"],
];

/** What every endpoint gives; each adds something of its own. */
const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  eth_getBlockByNumber: blockFields,
  eth_getBlockByHash: blockFields,
  eth_getTransactionReceipt: receiptFields,
  eth_getBlockReceipts: receiptFields,
  eth_getTransactionByHash: transactionFields,
  eth_getLogs: logFields,
};

/** What endpoints may be asked for before all of them can know it. */
const placedMethods = new Set([
  "eth_getBlockByNumber",
  "eth_getBlockByHash",
  "eth_getTransactionReceipt",
  "eth_getTransactionByHash",
]);

/** An answer that can be compared: two say the same exactly where their keys are equal. */
export interface Comparable {
  key: string;
  answer: Answer;
}

/**
 * Reduces an answer to what two honest endpoints have in common.
 *
 * @param knownTo - number of a block: what lies above it counts as not there yet
 * @returns nothing where the endpoint speaks of itself, not of the chain, such as of a limit
 */
export function comparable(method: string, answer: Answer, knownTo?: number): Comparable | undefined {
  if ("error" in answer) {
    // Whoever asks can do without a method that most do not have, if it is told so.
    if (answer.error.code === METHOD_NOT_FOUND) return { key: "no such method", answer };
    const data = isRun(method) ? refusalIn(answer) : undefined;
    return data === undefined ? undefined : { key: `refused ${data}`, answer };
  }
  const isAbove = knownTo !== undefined && placedMethods.has(method) && isAboveBlock(answer.result, knownTo);
  const result = isAbove ? null : reduced(method, answer.result);
  return { key: canonical(result), answer: { result } };
}

/** Whether a method runs a contract's code, which may refuse. */
function isRun(method: string): boolean {
  return method === "eth_call" || method === "eth_estimateGas";
}

/** The data of a contract's refusal, `0x` where it gives none; nothing where it was no contract that refused. */
function refusalIn(answer: Extract<Answer, { error: unknown }>): string | undefined {
  const data = revertData(answer);
  if (data !== undefined && data !== "0x") return data.toLowerCase();
  return executionFailed.test(answer.error.message) ? "0x" : undefined;
}

/** A transaction that waits lies above every block. */
function isAboveBlock(result: unknown, block: number): boolean {
  if (typeof result !== "object" || result === null) return false;
  const { number, blockNumber = number } = result as { number?: unknown; blockNumber?: unknown };
  return typeof blockNumber !== "string" || Number(blockNumber) > block;
}

function reduced(method: string, result: unknown): unknown {
  const fields = fieldsOf[method];
  if (!fields) return result;
  return Array.isArray(result) ? result.map((each) => pick(each, fields)) : pick(result, fields);
}

function pick(from: unknown, fields: readonly string[]): unknown {
  if (typeof from !== "object" || from === null) return from;
  const picked = Object.entries(from).filter(([name]) => fields.includes(name));
  return Object.fromEntries(picked.map(([name, value]) => [name, withReducedParts(name, value)]));
}

function withReducedParts(name: string, value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  if (name === "logs") return value.map((log) => pick(log, logFields));
  return name === "transactions" ? value.map((each) => pick(each, transactionFields)) : value;
}

/** JSON with sorted names, without what is absent; hexadecimal digits have no case. */
function canonical(value: unknown): string {
  if (value === undefined) return "undefined";
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === "string" && part.startsWith("0x")) return part.toLowerCase();
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    const present = Object.entries(part).filter(([, each]) => each !== null && each !== undefined);
    return Object.fromEntries(present.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
