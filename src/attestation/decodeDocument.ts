import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { type EvidenceKind, evidenceKinds } from "./evidence.ts";
import { refusedEvidence } from "./refusedEvidence.ts";

/** Larger documents are refused unread; real platforms stay far below. */
const MAX_DOCUMENT_BYTES = 30_000;

/** A document's content once its kind is known. */
export interface DecodedDocument {
  kind: EvidenceKind;
  content: unknown;
}

/**
 * Tells what kind of evidence a document is. The development kind is a map in RFC 8949's deterministic CBOR that names
 * its kind: there is exactly one encoding of a content, so no byte can change without changing what is signed.
 *
 * @throws OpgError `evidence_refused`: `malformed` or `unknown_kind`
 */
export function decodeDocument(document: Uint8Array): DecodedDocument {
  if (document.length > MAX_DOCUMENT_BYTES) throw refusedEvidence("malformed", { bytes: document.length });
  const content = decodeDeterministic(document);
  const named = typeof content === "object" && content !== null && "kind" in content ? content.kind : undefined;
  const kind = evidenceKinds.find((candidate) => candidate === named);
  if (!kind) throw refusedEvidence("unknown_kind");
  return { kind, content };
}

/** Encodes a content in RFC 8949's deterministic CBOR. */
export function encodeDeterministic(content: unknown): Uint8Array {
  return encode(content, rfc8949EncodeOptions);
}

function decodeDeterministic(document: Uint8Array): unknown {
  let content: unknown;
  let again: Uint8Array;
  try {
    content = decode(document, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    });
    again = encodeDeterministic(content);
  } catch (cause) {
    throw refusedEvidence("malformed", {}, { cause });
  }
  if (Buffer.compare(again, document) !== 0) throw refusedEvidence("malformed");
  return content;
}
