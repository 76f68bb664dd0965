import { refusedEvidence } from "#attestation/refusedEvidence.ts";
import {
  type Certificate,
  keyUsageBit,
  readExtensions,
  readFrame,
  sameAlgorithm,
  type SignedFrame,
} from "./certificate.ts";
import { type ChainExpectations, checkSignature, checkValidity } from "./checkChain.ts";
import { DerReader, derTag, malformed, smallUnsignedOf, unsignedOf } from "./derReader.ts";
import { readTime } from "./readTime.ts";

/** Intel's largest list has some ten kilobytes. */
const MAX_LIST_BYTES = 20_000;

/** A certificate revocation list, version 2, that lists all revocations of its issuer. */
interface RevocationList extends Omit<SignedFrame, "body"> {
  issuer: Uint8Array;
  notBefore: number;
  notAfter: number;
  revoked: ReadonlySet<string>;
}

/**
 * Checks a revocation list of an authority and that it lists none of the certificates given.
 *
 * @param issuer - a checked certificate
 * @param issued - certificates of that issuer
 * @throws OpgError `evidence_refused` with the reason
 */
export function checkRevocations(
  encoded: Uint8Array,
  issuer: Certificate,
  issued: readonly Certificate[],
  expected: Pick<ChainExpectations, "now" | "authority" | "lowOnly">,
): void {
  const list = readRevocations(encoded);
  checkValidity(list, expected.now);
  if (Buffer.compare(list.issuer, issuer.subject) !== 0) throw refusedEvidence("broken_chain");
  if (((issuer.keyUsage ?? 0) & keyUsageBit.signRevocations) === 0) throw refusedEvidence("not_an_authority");
  checkSignature(list, issuer, expected);
  const revoked = issued.find(({ serial }) => list.revoked.has(serial));
  if (revoked) throw refusedEvidence("certificate_revoked", { serial: revoked.serial });
}

/** Reads a list; one that covers only a part or a difference says so by a critical extension and is refused. */
function readRevocations(bytes: Uint8Array): RevocationList {
  if (bytes.length > MAX_LIST_BYTES) throw malformed("size");
  const { body, ...frame } = readFrame(bytes);
  if (smallUnsignedOf(body.next(derTag.integer)) !== 1) throw malformed("version");
  sameAlgorithm(frame.algorithm, body.next(derTag.sequence).whole);
  const issuer = body.next(derTag.sequence).whole;
  const [notBefore, notAfter] = [readTime(body.next()), readTime(body.next())];
  const entries = body.optional(derTag.sequence);
  const extensions = body.optional(derTag.context0);
  if (extensions) readExtensions(new DerReader(extensions.content), []);
  body.end();
  const revoked = entries ? readEntries(new DerReader(entries.content)) : new Set<string>();
  return { ...frame, issuer, notBefore, notAfter, revoked };
}

function readEntries(entries: DerReader): Set<string> {
  const revoked = new Set<string>();
  while (!entries.done()) {
    const entry = entries.enter(derTag.sequence);
    revoked.add(unsignedOf(entry.next(derTag.integer)));
    readTime(entry.next());
    const extensions = entry.optional(derTag.sequence);
    if (extensions) readExtensions(new DerReader(extensions.whole), []);
    entry.end();
  }
  return revoked;
}
