/** Where each method's parameters name a block. */
const tagPlaces: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_estimateGas: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getTransactionCount: 1,
  eth_getStorageAt: 2,
  eth_getBlockByNumber: 0,
  eth_getBlockReceipts: 0,
};

/** Names of blocks that move on. Nobody can agree on what waits, so that is read at the newest block. */
const movingTags: Readonly<Record<string, MovingTag>> = {
  latest: "latest",
  pending: "latest",
  safe: "safe",
  finalized: "finalized",
};

/** A block that the chain replaces by later ones. */
export type MovingTag = "latest" | "safe" | "finalized";

/** The moving block that a request is about; nothing where it names a fixed one, or none. */
export function movingTagOf(method: string, params: unknown): MovingTag | undefined {
  const place = tagPlaces[method];
  if (place === undefined || !Array.isArray(params)) return undefined;
  const tag: unknown = params[place] ?? "latest";
  return typeof tag === "string" ? movingTags[tag] : undefined;
}

/**
 * Writes a request anew, so that it names blocks that do not move.
 *
 * @param numberOf - the number that a moving block has for now
 */
export async function pinBlocks(
  method: string,
  params: unknown,
  numberOf: (tag: MovingTag) => Promise<number>,
): Promise<unknown> {
  if (!Array.isArray(params)) return params;
  const pinned: unknown[] = [...(params as unknown[])];
  const tag = movingTagOf(method, params);
  const place = tagPlaces[method];
  if (tag !== undefined && place !== undefined) pinned[place] = hexNumber(await numberOf(tag));
  if (method === "eth_getLogs") pinned[0] = await pinRange(pinned[0], numberOf);
  return pinned;
}

async function pinRange(filter: unknown, numberOf: (tag: MovingTag) => Promise<number>): Promise<unknown> {
  if (typeof filter !== "object" || filter === null || "blockHash" in filter) return filter;
  const pin = async (tag: unknown): Promise<unknown> => {
    const named = tag ?? "latest";
    const moving = typeof named === "string" ? movingTags[named] : undefined;
    return moving === undefined ? tag : hexNumber(await numberOf(moving));
  };
  const { fromBlock, toBlock } = filter as { fromBlock?: unknown; toBlock?: unknown };
  return { ...filter, fromBlock: await pin(fromBlock), toBlock: await pin(toBlock) };
}

function hexNumber(number: number): string {
  return `0x${number.toString(16)}`;
}
