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

/** Runs a search over a range piece by piece, oldest first. */
export async function searchBlocks<Found>(
  provider: Provider,
  range: BlockRange,
  search: (fromBlock: number, toBlock: number) => Promise<readonly Found[]>,
): Promise<Found[]> {
  const last = range.toBlock ?? (await provider.getBlockNumber());
  const found: Found[] = [];
  for (let fromBlock = range.fromBlock; fromBlock <= last; fromBlock += CHUNK_BLOCKS) {
    found.push(...(await search(fromBlock, Math.min(fromBlock + CHUNK_BLOCKS - 1, last))));
  }
  return found;
}

/** The place of a log. */
export function placeOf({ transactionHash, blockNumber }: LogPlace): LogPlace {
  return { transactionHash, blockNumber };
}
