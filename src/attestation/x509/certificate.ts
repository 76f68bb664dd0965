import { refusedEvidence } from "#attestation/refusedEvidence.ts";
import {
  booleanOf,
  DerReader,
  derTag,
  malformed,
  readOnly,
  smallUnsignedOf,
  unsignedOf,
  wholeBytesOf,
} from "./derReader.ts";
import { readTime } from "./readTime.ts";

/** Larger certificates are refused unread; AMD's have 1.7 kB. */
const MAX_CERTIFICATE_BYTES = 4096;

/** Object identifiers of the extensions that are understood, as their content in hex. */
const oid = {
  basicConstraints: "551d13",
  keyUsage: "551d0f",
  subjectKeyIdentifier: "551d0e",
  authorityKeyIdentifier: "551d23",
  crlDistributionPoints: "551d1f",
} as const;

/** Bits of keyUsage (RFC 5280, section 4.2.1.3), counted from the left. */
export const keyUsageBit = { digitalSignature: 0x80, certify: 0x04, signRevocations: 0x02 } as const;

/** What is signed, by which algorithm, and the signature: the frame that certificates and revocation lists share. */
export interface SignedFrame {
  /** The bytes that are signed. */
  signed: Uint8Array;
  /** Reads them. */
  body: DerReader;
  /** Whole DER of the algorithm's identifier; the copy inside the signed part is compared by who reads that. */
  algorithm: Uint8Array;
  signature: Uint8Array;
}

/** A certificate of RFC 5280, version 3. Times are seconds since 1970; names are compared as whole DER. */
export interface Certificate extends Omit<SignedFrame, "body"> {
  /** Hex, without leading zeros. */
  serial: string;
  issuer: Uint8Array;
  subject: Uint8Array;
  notBefore: number;
  notAfter: number;
  /** SubjectPublicKeyInfo. */
  publicKey: Uint8Array;
  isAuthority: boolean;
  pathLength: number | undefined;
  /** First byte of keyUsage; `undefined` where the extension is absent. */
  keyUsage: number | undefined;
  /** Contents of all extensions by their identifier's content in hex. */
  extensions: ReadonlyMap<string, Uint8Array>;
}

/**
 * Reads a certificate in strict DER, with no byte left over.
 *
 * @throws OpgError `evidence_refused`: `malformed_certificate` or `unknown_critical_extension`
 */
export function readCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > MAX_CERTIFICATE_BYTES) throw malformed("size");
  const { body, ...frame } = readFrame(bytes);
  const version = body.enter(derTag.context0);
  if (smallUnsignedOf(version.next(derTag.integer)) !== 2) throw malformed("version");
  version.end();
  const serial = unsignedOf(body.next(derTag.integer));
  if (serial.length > 40) throw malformed("serial");
  sameAlgorithm(frame.algorithm, body.next(derTag.sequence).whole);
  const issuer = body.next(derTag.sequence).whole;
  const validity = body.enter(derTag.sequence);
  const [notBefore, notAfter] = [readTime(validity.next()), readTime(validity.next())];
  validity.end();
  const subject = body.next(derTag.sequence).whole;
  const publicKey = body.next(derTag.sequence).whole;
  const extensions = body.done() ? new Map<string, Uint8Array>() : readExtensions(body.enter(derTag.context3));
  body.end();
  const names = { serial, issuer, subject, notBefore, notAfter, publicKey };
  return { ...frame, ...names, ...readConstraints(extensions), keyUsage: readKeyUsage(extensions), extensions };
}

/** Reads the frame of a certificate or revocation list. */
export function readFrame(bytes: Uint8Array): SignedFrame {
  const outer = new DerReader(readOnly(bytes, derTag.sequence).content);
  const signed = outer.next(derTag.sequence);
  const algorithm = outer.next(derTag.sequence).whole;
  const signature = wholeBytesOf(outer.next(derTag.bitString));
  outer.end();
  return { signed: signed.whole, body: new DerReader(signed.content), algorithm, signature };
}

/** The algorithm is named twice, inside and outside of what is signed. */
export function sameAlgorithm(outside: Uint8Array, inside: Uint8Array): void {
  if (Buffer.compare(outside, inside) !== 0) throw malformed("algorithm");
}

/** Reads extensions; a critical one that is not understood refuses all, and so does one that comes twice. */
export function readExtensions(
  wrapped: DerReader,
  understood: readonly string[] = Object.values(oid),
): Map<string, Uint8Array> {
  const extensions = new Map<string, Uint8Array>();
  const list = wrapped.enter(derTag.sequence);
  wrapped.end();
  if (list.done()) throw malformed("extensions");
  while (!list.done()) {
    const extension = list.enter(derTag.sequence);
    const id = Buffer.from(extension.next(derTag.objectIdentifier).content).toString("hex");
    const critical = extension.optional(derTag.boolean);
    // False is the default, which DER leaves out.
    if (critical && !booleanOf(critical)) throw malformed("extensions");
    const { content } = extension.next(derTag.octetString);
    extension.end();
    if (extensions.has(id)) throw malformed("extensions");
    if (critical && !understood.includes(id)) throw refusedEvidence("unknown_critical_extension", { extension: id });
    extensions.set(id, content);
  }
  return extensions;
}

function readConstraints(extensions: ReadonlyMap<string, Uint8Array>): Pick<Certificate, "isAuthority" | "pathLength"> {
  const content = extensions.get(oid.basicConstraints);
  if (!content) return { isAuthority: false, pathLength: undefined };
  const constraints = new DerReader(readOnly(content, derTag.sequence).content);
  const authority = constraints.optional(derTag.boolean);
  const length = constraints.optional(derTag.integer);
  constraints.end();
  const isAuthority = authority !== undefined && booleanOf(authority);
  if (length && !isAuthority) throw malformed("basicConstraints");
  return { isAuthority, pathLength: length && smallUnsignedOf(length) };
}

function readKeyUsage(extensions: ReadonlyMap<string, Uint8Array>): number | undefined {
  const content = extensions.get(oid.keyUsage);
  if (!content) return undefined;
  const [unused, first, ...rest] = readOnly(content, derTag.bitString).content;
  // Only decipherOnly stands in a second byte.
  const fits = unused !== undefined && unused < 8 && first !== undefined && rest.length <= 1;
  if (!fits) throw malformed("keyUsage");
  return first;
}
