import type { Provider } from "ethers";
import { OpgError } from "#protocol/errors.ts";

/** Time of a block, of the newest where none is named; seconds since 1970. @throws OpgError `chain_unavailable` */
export async function blockTime(provider: Provider, blockNumber: number | "latest" = "latest"): Promise<number> {
  const block = await provider.getBlock(blockNumber);
  if (block) return block.timestamp;
  throw new OpgError("chain_unavailable", `The chain does not show block ${blockNumber}; try again in a moment.`);
}
