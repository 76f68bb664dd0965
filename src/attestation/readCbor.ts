import { encode, rfc8949EncodeOptions } from "cborg";
import { decodeCbor } from "#service/strictCbor.ts";
import { refusedEvidence } from "./refusedEvidence.ts";

/** Larger documents are refused unread; real platforms stay far below. */
export const MAX_DOCUMENT_BYTES = 30_000;

/** More values than any document holds. */
const MAX_VALUES = 400;

/**
 * Reads CBOR of shortest heads, no key twice, no byte left over; maps become `Map` where `useMaps` says so.
 *
 * @throws OpgError `evidence_refused`: `malformed`
 */
export function readCbor(bytes: Uint8Array, form: { useMaps: boolean; allowIndefinite: boolean }): unknown {
  if (bytes.length > MAX_DOCUMENT_BYTES) throw refusedEvidence("malformed", { bytes: bytes.length });
  try {
    return decodeCbor(bytes, { maxValues: MAX_VALUES, ...form });
  } catch (cause) {
    throw refusedEvidence("malformed", {}, { cause });
  }
}

/**
 * Reads a map in RFC 8949's deterministic CBOR: there is exactly one encoding of a content, so no byte can change without
 * changing what it says.
 *
 * @throws OpgError `evidence_refused`: `malformed`
 */
export function readDeterministic(bytes: Uint8Array): unknown {
  const content = readCbor(bytes, { useMaps: false, allowIndefinite: false });
  let again: Uint8Array;
  try {
    again = encodeDeterministic(content);
  } catch (cause) {
    throw refusedEvidence("malformed", {}, { cause });
  }
  if (Buffer.compare(again, bytes) !== 0) throw refusedEvidence("malformed");
  return content;
}

/** Encodes a content in RFC 8949's deterministic CBOR. */
export function encodeDeterministic(content: unknown): Uint8Array {
  return encode(content, rfc8949EncodeOptions);
}
