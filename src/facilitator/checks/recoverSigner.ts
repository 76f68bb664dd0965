import secp256k1 from "secp256k1";
import { checksumAddress } from "#protocol/checksumAddress.ts";
import { fastKeccak } from "#service/fastKeccak.ts";

/** Half of the curve's order. Every signature has a mirror image above it, which the contracts do not take. */
const HIGHEST_S = Buffer.from("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0", "hex");

/**
 * Signer of a digest, or `undefined` for bytes that are no acceptable signature. Acceptable are 65 bytes with v 27 or 28,
 * and EIP-2098's 64 bytes, with a low s.
 *
 * @param digest - 32 bytes as hex
 * @param signature - hex
 */
export function recoverSigner(digest: string, signature: string): string | undefined {
  const bytes = Buffer.from(signature.slice(2), "hex");
  const recovery = bytes.length === 64 ? takeParity(bytes) : bytes.length === 65 ? (bytes[64] ?? 0) - 27 : -1;
  if (recovery !== 0 && recovery !== 1) return undefined;
  if (bytes.compare(HIGHEST_S, 0, 32, 32, 64) > 0) return undefined;
  try {
    const message = Buffer.from(digest.slice(2), "hex");
    const point = secp256k1.ecdsaRecover(bytes.subarray(0, 64), recovery, message, false);
    const hash = Buffer.from(fastKeccak(point.subarray(1)));
    return checksumAddress(`0x${hash.toString("hex", 12)}`);
  } catch {
    return undefined;
  }
}

/** EIP-2098 keeps the parity in the highest bit of s. */
function takeParity(bytes: Buffer): number {
  const top = bytes[32] ?? 0;
  bytes[32] = top & 0x7f;
  return top >> 7;
}
