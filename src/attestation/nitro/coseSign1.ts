import { encode } from "cborg";
import { readCbor } from "#attestation/readCbor.ts";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";

/** Protected header `{1: -35}`: ECDSA with SHA-384 (RFC 9053). */
const es384 = Uint8Array.from([0xa1, 0x01, 0x38, 0x22]);

/** First byte of a COSE_Sign1 with its tag, 18; and of the array of four that it is. */
const TAG = 0xd2;
const ARRAY_OF_FOUR = 0x84;

/** A COSE_Sign1 (RFC 9052, section 4.2) as Nitro writes it. */
export interface CoseSign1 {
  isTagged: boolean;
  payload: Uint8Array;
  /** r, then s, 48 bytes each, big-endian. */
  signature: Uint8Array;
}

/** Whether bytes begin as a COSE_Sign1 does. */
export function isCoseSign1([first]: Uint8Array): boolean {
  return first === TAG || first === ARRAY_OF_FOUR;
}

/**
 * Reads a COSE_Sign1 in its only encoding, tagged or not. The headers must be the platform's to the byte: the protected
 * one names the algorithm, and nothing stands in the one that is not signed.
 *
 * @throws OpgError `evidence_refused`: `malformed` or `bad_header`
 */
export function readCoseSign1(document: Uint8Array): CoseSign1 {
  const isTagged = document[0] === TAG;
  const untagged = isTagged ? document.subarray(1) : document;
  const content = readCbor(untagged, { useMaps: true, allowIndefinite: false });
  if (!Array.isArray(content) || content.length !== 4) throw refusedEvidence("malformed", { field: "COSE_Sign1" });
  const [header, unprotected, payload, signature] = content as unknown[];
  if (!(header instanceof Uint8Array) || Buffer.compare(header, es384) !== 0) throw refusedEvidence("bad_header");
  if (!(unprotected instanceof Map) || unprotected.size !== 0) throw refusedEvidence("bad_header");
  if (!(payload instanceof Uint8Array)) throw refusedEvidence("malformed", { field: "payload" });
  if (!(signature instanceof Uint8Array) || signature.length !== 96) {
    throw refusedEvidence("malformed", { field: "signature" });
  }
  return { isTagged, payload, signature };
}

/** What is signed: the `Sig_structure` of RFC 9052, section 4.4. */
export function signedBytesOf(payload: Uint8Array): Uint8Array {
  return encode(["Signature1", es384, new Uint8Array(), payload]);
}

/** Writes a COSE_Sign1 without tag. */
export function encodeCoseSign1({ payload, signature }: Omit<CoseSign1, "isTagged">): Uint8Array {
  return encode([es384, new Map(), payload, signature]);
}
