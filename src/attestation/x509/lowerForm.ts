import { DerReader, derTag, readOnly, unsignedOf } from "./derReader.ts";
import { readFrame } from "./certificate.ts";
import { isLowerForm, lowerForm, type Scheme } from "./signatures.ts";

type EcdsaScheme = Exclude<Scheme, "rsa-pss">;

const integerBytes: Readonly<Record<EcdsaScheme, number>> = { "ecdsa-p256": 32, "ecdsa-p384": 48 };

/** Whether the ECDSA signature of a certificate or revocation list is in its lower form. */
export function isSignedLow(signature: Uint8Array, scheme: EcdsaScheme): boolean {
  return isLowerForm(plainOf(signature, scheme), scheme);
}

/**
 * A certificate or revocation list with its ECDSA signature in the lower form: as valid as before, and the only one.
 *
 * @throws OpgError `evidence_refused`: `malformed_certificate`
 */
export function withLowSignature(encoded: Uint8Array, scheme: EcdsaScheme): Uint8Array {
  const { signed, algorithm, signature } = readFrame(encoded);
  const plain = lowerForm(plainOf(signature, scheme), scheme);
  const half = integerBytes[scheme];
  const integers = [plain.subarray(0, half), plain.subarray(half)].map(encodeInteger);
  const bits = encodeValue(derTag.bitString, [Uint8Array.of(0), encodeValue(derTag.sequence, integers)]);
  return encodeValue(derTag.sequence, [signed, algorithm, bits]);
}

/** r, then s, of fixed length. */
function plainOf(signature: Uint8Array, scheme: EcdsaScheme): Uint8Array {
  const reader = new DerReader(readOnly(signature, derTag.sequence).content);
  const digits = integerBytes[scheme] * 2;
  const integers = [reader.next(derTag.integer), reader.next(derTag.integer)].map(unsignedOf);
  reader.end();
  return Buffer.from(integers.map((integer) => integer.padStart(digits, "0")).join(""), "hex");
}

function encodeInteger(bytes: Uint8Array): Uint8Array {
  const from = bytes.findIndex((byte) => byte !== 0);
  const digits = bytes.subarray(from === -1 ? bytes.length - 1 : from);
  return encodeValue(derTag.integer, (digits[0] ?? 0) < 0x80 ? [digits] : [Uint8Array.of(0), digits]);
}

function encodeValue(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x100 ? [length] : [length >> 8, length & 0xff];
  return Buffer.concat([
    Uint8Array.from([tag, ...(length < 0x80 ? [length] : [0x80 | size.length, ...size])]),
    content,
  ]);
}
