import type { Provider } from "ethers";

/** Blocks to search, both ends included. */
export interface BlockRange {
  fromBlock: number;
  /** The newest where left out. */
  toBlock?: number;
}

/** Where on the chain an event stands. */
export interface LogPlace {
  transactionHash: string;
  blockNumber: number;
}

/** As many blocks as public endpoints search in one go. */
const CHUNK_BLOCKS = 10_000;

/** The pieces of a range that are searched one after the other, oldest first. */
export function* pagesOf({ fromBlock, toBlock }: Required<BlockRange>): Generator<Required<BlockRange>> {
  for (let from = fromBlock; from <= toBlock; from += CHUNK_BLOCKS) {
    yield { fromBlock: from, toBlock: Math.min(from + CHUNK_BLOCKS - 1, toBlock) };
  }
}

/** Runs a search over a range piece by piece, oldest first. */
export async function searchBlocks<Found>(
  provider: Provider,
  range: BlockRange,
  search: (fromBlock: number, toBlock: number) => Promise<readonly Found[]>,
): Promise<Found[]> {
  const toBlock = range.toBlock ?? (await provider.getBlockNumber());
  const found: Found[] = [];
  for (const page of pagesOf({ ...range, toBlock })) found.push(...(await search(page.fromBlock, page.toBlock)));
  return found;
}

/** The place of a log. */
export function placeOf({ transactionHash, blockNumber }: LogPlace): LogPlace {
  return { transactionHash, blockNumber };
}
