import { createHash, type KeyObject } from "node:crypto";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";
import { type Certificate, keyUsageBit, readCertificate } from "./certificate.ts";
import { isSignedLow } from "./lowerForm.ts";
import { importKey, isSigned, namesScheme, type Scheme } from "./signatures.ts";

/** More certificates than any platform uses. */
const MAX_CHAIN = 8;

/** What a platform's chains are like, and what is expected of this one. */
export interface ChainExpectations {
  /** SHA-256 of the root certificates that count, hex. */
  roots: readonly string[];
  /** Seconds since 1970. */
  now: number;
  /** How authorities sign. */
  authority: Scheme;
  /** What the leaf's key is for. */
  leaf: Scheme;
  /** Whether a leaf without key usage passes, as AMD's. */
  bareLeaf?: boolean;
  /** Whether ECDSA signatures of certificates must be in their lower form, see `withLowSignature`. */
  lowOnly?: boolean;
}

/** A chain that holds, root first. */
export interface CheckedChain {
  certificates: readonly Certificate[];
  leaf: Certificate;
  leafKey: KeyObject;
}

/**
 * Checks a chain of certificates, root first: the pinned root, each one's validity, constraints, path length and key
 * usage, names and signatures, as RFC 5280, section 6.1 does for chains without policies and name constraints.
 *
 * @throws OpgError `evidence_refused` with the reason
 */
export function checkChain(encoded: readonly Uint8Array[], expected: ChainExpectations): CheckedChain {
  if (encoded.length < 2 || encoded.length > MAX_CHAIN) throw refusedEvidence("broken_chain");
  // What a root says of itself counts no more than that the network names it.
  const root = fingerprint(encoded[0] as Uint8Array);
  if (!isNamed(root, expected.roots)) throw refusedEvidence("wrong_root", { root });
  const certificates = encoded.map(readCertificate);
  const leaf = certificates.at(-1) as Certificate;
  for (const certificate of certificates) checkValidity(certificate, expected.now);
  const authorities = certificates.slice(0, -1);
  for (const [index, authority] of authorities.entries()) checkAuthority(authority, authorities.length - 1 - index);
  checkLeaf(leaf, expected.bareLeaf === true);
  for (const [index, issuer] of authorities.entries()) {
    const issued = certificates[index + 1] as Certificate;
    if (Buffer.compare(issued.issuer, issuer.subject) !== 0) throw refusedEvidence("broken_chain");
    checkSignature(issued, issuer, expected);
  }
  return { certificates, leaf, leafKey: importKey(leaf.publicKey, expected.leaf) };
}

/** SHA-256 of a certificate, as roots are named: lower case hex. */
export function fingerprint(certificate: Uint8Array): string {
  return createHash("sha256").update(certificate).digest("hex");
}

/** Whether a fingerprint is one of those named, however they are written. */
export function isNamed(found: string, roots: readonly string[]): boolean {
  return roots.some((named) => named.toLowerCase().replace(/^0x/, "") === found);
}

/** Refuses what is not valid now, a certificate or a revocation list. */
export function checkValidity({ notBefore, notAfter }: Pick<Certificate, "notBefore" | "notAfter">, now: number): void {
  if (now < notBefore) throw refusedEvidence("certificate_not_valid_yet", { notBefore, now });
  if (now > notAfter) throw refusedEvidence("certificate_expired", { notAfter, now });
}

/** @param below - how many authorities follow before the leaf */
function checkAuthority({ isAuthority, keyUsage, pathLength }: Certificate, below: number): void {
  if (!isAuthority || !hasUsage(keyUsage, keyUsageBit.certify)) throw refusedEvidence("not_an_authority");
  if (pathLength !== undefined && pathLength < below) throw refusedEvidence("path_too_long", { pathLength, below });
}

function checkLeaf({ isAuthority, keyUsage }: Certificate, bareLeaf: boolean): void {
  const maySign = hasUsage(keyUsage, keyUsageBit.digitalSignature) || (bareLeaf && keyUsage === undefined);
  if (isAuthority || !maySign) throw refusedEvidence("not_a_leaf");
}

/**
 * Refuses a certificate or revocation list that this authority did not sign.
 *
 * @throws OpgError `evidence_refused`: `unsupported_algorithm`, `bad_certificate_signature` or `second_form`
 */
export function checkSignature(
  { signed, signature, algorithm }: Pick<Certificate, "signed" | "signature" | "algorithm">,
  issuer: Certificate,
  { authority: scheme, lowOnly = false }: Pick<ChainExpectations, "authority" | "lowOnly">,
): void {
  if (!namesScheme(algorithm, scheme)) throw refusedEvidence("unsupported_algorithm");
  const key = importKey(issuer.publicKey, scheme);
  if (!isSigned(scheme, key, signed, signature, "der")) throw refusedEvidence("bad_certificate_signature");
  if (lowOnly && scheme !== "rsa-pss" && !isSignedLow(signature, scheme)) throw refusedEvidence("second_form");
}

function hasUsage(keyUsage: number | undefined, bit: number): boolean {
  return keyUsage !== undefined && (keyUsage & bit) !== 0;
}
