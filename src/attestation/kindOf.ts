import { type EvidenceKind, type EvidenceRoots, evidenceKinds } from "./evidence.ts";
import { isCoseSign1 } from "./nitro/coseSign1.ts";
import { rootOf } from "./nitro/checkNitroDocument.ts";
import { readDeterministic } from "./readCbor.ts";
import { refusedEvidence } from "./refusedEvidence.ts";
import { fingerprint, isNamed } from "./x509/checkChain.ts";

/**
 * Tells of what kind a document claims to be. A COSE_Sign1 is Nitro's, or simulates it where its root is one that the network
 * names for that; documents of other kinds are maps in deterministic CBOR that name their kind.
 *
 * @throws OpgError `evidence_refused`: `malformed` or `unknown_kind`
 */
export function kindOf(document: Uint8Array, { simulated = [] }: EvidenceRoots): EvidenceKind {
  if (isCoseSign1(document)) return isNamed(fingerprint(rootOf(document)), simulated) ? "simulated" : "nitro";
  const content = readDeterministic(document);
  const named = typeof content === "object" && content !== null && "kind" in content ? content.kind : undefined;
  const kind = evidenceKinds.find((candidate) => candidate === named);
  if (!kind || kind === "nitro" || kind === "simulated") throw refusedEvidence("unknown_kind");
  return kind;
}
