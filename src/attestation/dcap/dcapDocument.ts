import { z } from "zod";
import { byteString } from "#attestation/byteString.ts";
import { readDeterministic } from "#attestation/readCbor.ts";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";

/** Kinds of documents that Intel's data center attestation (DCAP) makes. */
export type DcapKind = "tdx" | "sgx";

const plainSignature = byteString(64);

const content = z.strictObject({
  kind: z.enum(["tdx", "sgx"]),
  version: z.literal(1),
  quote: z.strictObject({
    /** Header and report: what the attestation key signs. */
    signed: byteString(48, 1024),
    signature: plainSignature,
    /** Point on P-256 without its leading 0x04. */
    attestationKey: byteString(64),
    /** The quoting enclave's own report, which vouches for the attestation key, and its signature by the PCK. */
    qeReport: byteString(384),
    qeReportSignature: plainSignature,
    qeAuthData: byteString(0, 1024),
    /** Root first; the last is the certificate of the machine's provisioning key (PCK). */
    certificates: z.array(byteString(1, 4096)).length(3),
  }),
  collateral: z.strictObject({
    /** Revocation lists of the root and of the authority that issued the PCK's certificate. */
    rootRevocations: byteString(1, 20_000),
    pckRevocations: byteString(1, 20_000),
    /** Certificate of the key that signs the two texts, issued by the root. */
    signer: byteString(1, 4096),
    /** JSON texts as Intel signed them. */
    tcbInfo: byteString(1, 20_000),
    tcbInfoSignature: plainSignature,
    qeIdentity: byteString(1, 8192),
    qeIdentitySignature: plainSignature,
  }),
});

/**
 * A quote with all that is needed to judge it, in deterministic CBOR: nothing is fetched to check it. Its parts stand
 * side by side, because a quote's own frame has lengths, PEM and padding that nobody signs.
 */
export type DcapDocument = z.output<typeof content>;

/**
 * Reads a document of a kind.
 *
 * @throws OpgError `evidence_refused`: `malformed`, with the field
 */
export function readDcapDocument(document: Uint8Array, kind: DcapKind): DcapDocument {
  const parsed = content.safeParse(readDeterministic(document));
  if (!parsed.success) throw refusedEvidence("malformed", { field: parsed.error.issues[0]?.path.join(".") });
  if (parsed.data.kind !== kind) throw refusedEvidence("malformed", { field: "kind" });
  return parsed.data;
}
