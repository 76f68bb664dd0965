import { dataLength, N, recoverAddress, Signature } from "ethers";

/**
 * Signer of a digest, or `undefined` for bytes that are no acceptable signature. Acceptable are 65 bytes with v 27 or 28,
 * and EIP-2098's 64 bytes, with a low s.
 */
export function recoverSigner(digest: string, signature: string): string | undefined {
  const bytes = dataLength(signature);
  if (bytes !== 64 && bytes !== 65) return undefined;
  // ethers would also take v as 0 or 1, which the contracts do not.
  if (bytes === 65 && !/(1b|1c)$/.test(signature)) return undefined;
  try {
    const parsed = Signature.from(signature);
    return BigInt(parsed.s) > N / 2n ? undefined : recoverAddress(digest, parsed);
  } catch {
    return undefined;
  }
}
