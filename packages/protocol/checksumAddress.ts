import { getAddress } from "ethers";

/** Of each of two generations; an address takes about 200 bytes. */
const MOST_KEPT = 20_000;

let recent = new Map<string, string>();
let older = new Map<string, string>();

/**
 * ethers' `getAddress` for `0x` and 40 hex digits. The checksum is a hash, and the same few addresses come again and again,
 * so those of late are kept.
 *
 * @throws TypeError for what is no address, or has a wrong checksum
 */
export function checksumAddress(text: string): string {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) throw new TypeError("no address");
  const lower = text.toLowerCase();
  const known = recent.get(lower) ?? older.get(lower) ?? getAddress(lower);
  keep(lower, known);
  const isMixed = /[a-f]/.test(text) && /[A-F]/.test(text);
  if (isMixed && text !== known) throw new TypeError("wrong checksum");
  return known;
}

function keep(lower: string, checksummed: string): void {
  if (recent.size >= MOST_KEPT) {
    older = recent;
    recent = new Map();
  }
  recent.set(lower, checksummed);
}
