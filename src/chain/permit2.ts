import { Interface, type BlockTag, type Provider } from "ethers";
import { PERMIT2 } from "#protocol/payment.ts";

const abi = new Interface(["function nonceBitmap(address owner, uint256 word) view returns (uint256)"]);

/** Permit2: who has used which nonce. A nonce is a bit: word `nonce >> 8`, position `nonce & 255`. */
export class Permit2Adapter {
  readonly #provider: Provider;

  constructor(provider: Provider) {
    this.#provider = provider;
  }

  /** The 256 nonces of one word; a set bit is a used nonce. */
  async nonceWord(owner: string, word: bigint, blockTag: BlockTag = "latest"): Promise<bigint> {
    const data = abi.encodeFunctionData("nonceBitmap", [owner, word]);
    return BigInt(await this.#provider.call({ to: PERMIT2, data, blockTag }));
  }

  async isNonceUsed(owner: string, nonce: bigint, blockTag: BlockTag = "latest"): Promise<boolean> {
    const bits = await this.nonceWord(owner, nonce >> 8n, blockTag);
    return ((bits >> (nonce & 255n)) & 1n) === 1n;
  }
}
