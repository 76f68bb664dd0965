import { getBytes, id, keccak256, TypedDataEncoder } from "ethers";
import type { TypedDataDomain, TypedDataField } from "./typedData.ts";

/** Keccak-256 of some bytes. */
export type Keccak = (data: Uint8Array) => Uint8Array;

/** Runs wherever ethers does. Who hashes much may bring a faster one. */
export const portableKeccak: Keccak = (data) => getBytes(keccak256(data));

/** Hash of a value of one signed type. */
export type StructHash = (value: object, keccak: Keccak) => Uint8Array;

type Types = Readonly<Record<string, readonly TypedDataField[]>>;
type Put = (words: Uint8Array, offset: number, value: unknown, keccak: Keccak) => void;

const WORD = 32;
const ADDRESS = 20;

/**
 * Prepares EIP-712's `hashStruct` of a type whose fields are addresses, unsigned integers, `bytes32`, or other such types:
 * what follows from the types alone is done here, once. ethers' `TypedDataEncoder` gives the same, and does all of it anew
 * for every value.
 *
 * @param types - `name` and all types that its fields name
 */
export function structHash(types: Types, name: string): StructHash {
  const own = Object.fromEntries(Object.entries(types).map(([type, fields]) => [type, [...fields]]));
  return prepare(types, TypedDataEncoder.from(own), name);
}

/** Hash of a domain, of which every digest in it needs it. */
export function domainSeparator(domain: TypedDataDomain): Uint8Array {
  return getBytes(TypedDataEncoder.hashDomain(domain));
}

/** The digest that is signed. */
export function signedDigest(separator: Uint8Array, message: Uint8Array, keccak: Keccak): string {
  const content = new Uint8Array(2 + 2 * WORD);
  content.set([0x19, 0x01]);
  content.set(separator, 2);
  content.set(message, 2 + WORD);
  return hexOf(keccak(content));
}

function prepare(types: Types, encoder: TypedDataEncoder, name: string): StructHash {
  const typeHash = getBytes(id(encoder.encodeType(name)));
  const puts = (types[name] ?? []).map((field) => ({ name: field.name, put: putOf(types, encoder, field.type) }));
  return (value, keccak) => {
    const words = new Uint8Array(WORD * (puts.length + 1));
    words.set(typeHash);
    puts.forEach((field, index) => {
      field.put(words, WORD * (index + 1), (value as Readonly<Record<string, unknown>>)[field.name], keccak);
    });
    return keccak(words);
  };
}

function putOf(types: Types, encoder: TypedDataEncoder, type: string): Put {
  if (type in types) {
    const hash = prepare(types, encoder, type);
    return (words, offset, value, keccak) => words.set(hash(value as object, keccak), offset);
  }
  if (type === "address") {
    return (words, offset, value) => putHex(words, offset + WORD - ADDRESS, value as string, ADDRESS);
  }
  if (type === "bytes32") return (words, offset, value) => putHex(words, offset, value as string, WORD);
  const bits = Number(/^uint(\d+)$/.exec(type)?.[1]);
  if (!(bits <= 256)) throw new TypeError(`No hash can be prepared of a field of type ${type}.`);
  return (words, offset, value) => putUint(words, offset, BigInt(value as bigint | number), bits);
}

function putHex(words: Uint8Array, offset: number, hex: string, length: number): void {
  if (hex.length !== 2 + 2 * length) throw new RangeError(`${hex} has not ${length} bytes`);
  for (let index = 0; index < length; index++) {
    const [high, low] = [digitAt(hex, 2 + 2 * index), digitAt(hex, 3 + 2 * index)];
    words[offset + index] = 16 * high + low;
  }
}

/** Value of the hex digit of that character. */
function digitAt(hex: string, at: number): number {
  const code = hex.charCodeAt(at);
  const digit = code <= 57 ? code - 48 : (code | 32) - 87;
  if (digit >= 0 && digit < 16 && (code <= 57 || digit > 9)) return digit;
  throw new RangeError(`${hex} is no hex`);
}

function putUint(words: Uint8Array, offset: number, value: bigint, bits: number): void {
  if (value < 0n || value >> BigInt(bits) > 0n) throw new RangeError(`${value} does not fit ${bits} bits`);
  const view = new DataView(words.buffer, offset, WORD);
  for (let part = 3, rest = value; rest > 0n; part--, rest >>= 64n) view.setBigUint64(8 * part, rest);
}

/** Of every byte. */
const hexDigits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function hexOf(bytes: Uint8Array): string {
  let hex = "0x";
  for (const byte of bytes) hex += hexDigits[byte] ?? "";
  return hex;
}
