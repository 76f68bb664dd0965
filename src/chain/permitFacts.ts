import { Interface, type BlockTag, type Provider } from "ethers";
import { isRevert } from "./decodeRevert.ts";

const abi = new Interface([
  "function nonces(address owner) view returns (uint256)",
  "function DOMAIN_SEPARATOR() view returns (bytes32)",
]);

/** What a token says of EIP-2612 permits. */
export interface PermitFacts {
  /** Nonce that the owner's next permit must have. */
  nonce: bigint;
  /** Hash of the token's own EIP-712 domain. */
  domainSeparator: string;
}

/**
 * Asks a token, which may be anybody's contract, about an owner's permits.
 *
 * @returns nothing where the token has no permits
 * @throws OpgError `chain_unavailable`
 */
export async function readPermitFacts(
  provider: Provider,
  token: string,
  owner: string,
  blockTag: BlockTag = "latest",
): Promise<PermitFacts | undefined> {
  const ask = async (name: "nonces" | "DOMAIN_SEPARATOR", values: unknown[]): Promise<string> => {
    const answer = await provider.call({ to: token, data: abi.encodeFunctionData(name, values), blockTag });
    return answer.length === 66 ? answer : "";
  };
  try {
    const [nonce, domainSeparator] = await Promise.all([ask("nonces", [owner]), ask("DOMAIN_SEPARATOR", [])]);
    return nonce && domainSeparator ? { nonce: BigInt(nonce), domainSeparator } : undefined;
  } catch (error) {
    if (isRevert(error)) return undefined;
    throw error;
  }
}
