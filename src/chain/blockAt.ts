import type { Provider } from "ethers";

/**
 * The first block that is not older than a moment.
 *
 * @param seconds - since 1970
 * @returns the number after the newest block where there is none
 */
export async function blockAt(provider: Provider, seconds: number, first: number): Promise<number> {
  let [low, high] = [first, (await provider.getBlockNumber()) + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const block = await provider.getBlock(middle);
    if (block && block.timestamp >= seconds) high = middle;
    else low = middle + 1;
  }
  return low;
}
