import type { Tree } from "./tree.ts";

/** Orders of P-256 and P-384 by the bytes that a number below them takes. */
const orders: Readonly<Record<number, bigint>> = {
  32: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  48: 2n ** 384n - 1388124618062372383947042015309946732620727252194336364173n,
};
const BIT_STRING = 0x03;
const SEQUENCE = 0x30;
const INTEGER = 0x02;

/** The second form of the ECDSA signature that a node may be, plain or in a certificate; `undefined` if it is none. */
export function otherFormOf({ format, head, content }: Tree): Uint8Array | undefined {
  if (format === "der") return head === BIT_STRING ? otherDer(content) : undefined;
  const half = content.length / 2;
  const order = orders[half];
  if (order === undefined) return undefined;
  return Buffer.concat([content.subarray(0, half), bytesOf(order - numberOf(content.subarray(half)), half)]);
}

/** @param bits - content of a BIT STRING that holds a sequence of two integers */
function otherDer(bits: Uint8Array): Uint8Array | undefined {
  const [unused, sequence, , integer, length = 0] = bits;
  if (unused !== 0 || sequence !== SEQUENCE || integer !== INTEGER) return undefined;
  const second = 5 + length;
  const s = bits.subarray(second + 2);
  const order = orders[length <= 33 ? 32 : 48];
  if (order === undefined || bits[second] !== INTEGER || s.length !== bits[second + 1]) return undefined;
  const negated = bytesOf(order - numberOf(s));
  const signature = Buffer.concat([bits.subarray(3, second), Buffer.from([INTEGER, negated.length]), negated]);
  return Buffer.concat([Buffer.from([0, SEQUENCE, signature.length]), signature]);
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);
}

/** Big-endian; as many bytes as given, or as DER takes. */
function bytesOf(value: bigint, count?: number): Buffer {
  const positive = value < 0n ? -value : value;
  const hex = positive.toString(16);
  const digits = hex.padStart(count === undefined ? hex.length + (hex.length % 2) : count * 2, "0");
  const bytes = Buffer.from(digits, "hex");
  return count === undefined && (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
}
