import secp256k1 from "secp256k1";
import { checksumAddress } from "#protocol/checksumAddress.ts";
import { fastKeccak } from "#service/fastKeccak.ts";

/** Half of the curve's order. Every signature has a mirror image above it, which the contracts do not take. */
const HIGHEST_S = Buffer.from("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0", "hex");

/** One payment is looked at more than once while it is checked, and again when it is settled. */
const MOST_KNOWN = 1_000;
/** Longer ones recover to nobody. */
const MAX_SIGNATURE_DIGITS = 2 + 2 * 65;
const known = new Map<string, string | undefined>();

/**
 * Signer of a digest, or `undefined` for bytes that are no acceptable signature. Acceptable are 65 bytes with v 27 or 28,
 * and EIP-2098's 64 bytes, with a low s.
 *
 * @param digest - 32 bytes as hex
 * @param signature - hex
 */
export function recoverSigner(digest: string, signature: string): string | undefined {
  if (signature.length > MAX_SIGNATURE_DIGITS) return undefined;
  const key = digest + signature;
  if (known.has(key)) return known.get(key);
  const signer = recover(digest, signature);
  const [oldest] = known.size < MOST_KNOWN ? [] : known.keys();
  if (oldest !== undefined) known.delete(oldest);
  known.set(key, signer);
  return signer;
}

function recover(digest: string, signature: string): string | undefined {
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
