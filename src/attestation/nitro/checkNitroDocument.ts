import { hexlify } from "ethers";
import { checkFreshness } from "#attestation/checkFreshness.ts";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";
import { readCertificate } from "#attestation/x509/certificate.ts";
import { checkChain } from "#attestation/x509/checkChain.ts";
import { importKey, isLowerForm, isSigned, lowerForm } from "#attestation/x509/signatures.ts";
import { type AttestationDocument, readAttestationDocument } from "./attestationDocument.ts";
import { encodeCoseSign1, readCoseSign1, signedBytesOf } from "./coseSign1.ts";
import { type NitroKind, nitroMeasurement } from "./nitroMeasurement.ts";

/** All of Nitro's signatures, the certificates' and the documents'. */
const scheme = "ecdsa-p384";

/** What a document in Nitro's format states, once all of it is checked. Bytes are hex. */
export interface NitroEvidence {
  kind: NitroKind;
  /** See `nitroMeasurement`. */
  measurement: string;
  moduleId: string;
  pcrs: ReadonlyMap<number, string>;
  publicKey: string | undefined;
  userData: string | undefined;
  nonce: string | undefined;
  /** When it was made, seconds since 1970. */
  timestamp: number;
}

/** What a document is held against. */
export interface NitroExpectations {
  kind: NitroKind;
  /** SHA-256 of the root certificates that count. */
  roots: readonly string[];
  /** Seconds since 1970. */
  now: number;
  /** See `VerifyOptions`. */
  singleForm: boolean;
}

/**
 * Checks a document in Nitro's format: form, registers, signature, certificates up to the pinned root, freshness.
 *
 * @throws OpgError `evidence_refused` with the reason
 */
export function checkNitroDocument(document: Uint8Array, expected: NitroExpectations): NitroEvidence {
  const { isTagged, payload, signature } = readCoseSign1(document);
  const content = readAttestationDocument(payload);
  const evidence = evidenceOf(content, expected.kind);
  if (expected.singleForm && (isTagged || !isLowerForm(signature, scheme))) throw refusedEvidence("second_form");
  // The document's own signature first: with any byte of it changed it costs one verification, not five.
  const { publicKey } = readCertificate(content.certificate);
  if (!isSigned(scheme, importKey(publicKey, scheme), signedBytesOf(payload), signature, "plain")) {
    throw refusedEvidence("bad_signature");
  }
  const chain = [...content.cabundle, content.certificate];
  checkChain(chain, { roots: expected.roots, now: expected.now, authority: scheme, leaf: scheme });
  checkFreshness(evidence.timestamp, expected.now);
  return evidence;
}

/** First certificate of a document's bundle, the root; nothing of the document is checked. */
export function rootOf(document: Uint8Array): Uint8Array {
  return readAttestationDocument(readCoseSign1(document).payload).cabundle[0] as Uint8Array;
}

/**
 * The form of a document in which it is admitted: without tag, and of the two signatures that everyone can make of one the
 * lower. Platforms write either.
 *
 * @throws OpgError `evidence_refused` for what is no such document
 */
export function inSingleForm(document: Uint8Array): Uint8Array {
  const { payload, signature } = readCoseSign1(document);
  return encodeCoseSign1({ payload, signature: lowerForm(signature, scheme) });
}

function evidenceOf(content: AttestationDocument, kind: NitroKind): NitroEvidence {
  const hex = (value: Uint8Array | null | undefined) => (value ? hexlify(value) : undefined);
  return {
    kind,
    measurement: nitroMeasurement(kind, content.pcrs),
    moduleId: content.module_id,
    pcrs: new Map([...content.pcrs].map(([register, value]) => [register, hexlify(value)])),
    publicKey: hex(content.public_key),
    userData: hex(content.user_data),
    nonce: hex(content.nonce),
    timestamp: Math.floor(content.timestamp / 1000),
  };
}
