import { z } from "zod";
import { encodeDeterministic } from "#attestation/readCbor.ts";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";
import { withLowSignature } from "#attestation/x509/lowerForm.ts";
import { lowerForm } from "#attestation/x509/signatures.ts";
import type { DcapDocument, DcapKind } from "./dcapDocument.ts";
import { ENCLAVE_REPORT_BYTES, TD_REPORT_BYTES } from "./reports.ts";

/** Kinds of certification data in a quote: a PEM chain, and a quoting enclave's report with more of it inside. */
const PEM_CHAIN = 5;
const QE_REPORT = 6;
const HEADER_BYTES = 48;

const hexBytes = z.hex().transform((text) => Buffer.from(text, "hex"));

/** Collateral as Intel's provisioning service and its caches hand it out: chains in PEM, lists and signatures in hex. */
export const collateralJson = z.object({
  root_ca_crl: hexBytes,
  pck_crl: hexBytes,
  tcb_info_issuer_chain: z.string(),
  tcb_info: z.string(),
  tcb_info_signature: hexBytes,
  qe_identity_issuer_chain: z.string(),
  qe_identity: z.string(),
  qe_identity_signature: hexBytes,
});

/**
 * Joins a quote and its collateral to a document, every signature in its lower form. It takes the quote apart and judges
 * nothing; zeros after the quote are left out, as interfaces give it in a buffer of fixed size.
 *
 * @param quote - version 3 (SGX) or 4 with a chain of certificates inside
 * @throws OpgError `evidence_refused`: `malformed` or `unsupported_version` for what is no such quote
 */
export function makeDcapDocument(
  kind: DcapKind,
  quote: Uint8Array,
  collateral: z.output<typeof collateralJson>,
): Uint8Array {
  const [signer] = certificatesIn(collateral.tcb_info_issuer_chain);
  const [otherSigner] = certificatesIn(collateral.qe_identity_issuer_chain);
  if (!signer || !otherSigner || Buffer.compare(signer, otherSigner) !== 0) {
    throw refusedEvidence("unsupported_version", { field: "qe_identity_issuer_chain" });
  }
  const document: DcapDocument = {
    kind,
    version: 1,
    quote: takeApart(kind, Buffer.from(quote)),
    collateral: {
      rootRevocations: withLowSignature(collateral.root_ca_crl, "ecdsa-p256"),
      pckRevocations: withLowSignature(collateral.pck_crl, "ecdsa-p256"),
      signer: withLowSignature(signer, "ecdsa-p256"),
      tcbInfo: Buffer.from(collateral.tcb_info),
      tcbInfoSignature: lowerForm(collateral.tcb_info_signature, "ecdsa-p256"),
      qeIdentity: Buffer.from(collateral.qe_identity),
      qeIdentitySignature: lowerForm(collateral.qe_identity_signature, "ecdsa-p256"),
    },
  };
  return encodeDeterministic(document);
}

function takeApart(kind: DcapKind, quote: Buffer): DcapDocument["quote"] {
  const take = taker(quote);
  const signed = take(HEADER_BYTES + (kind === "tdx" ? TD_REPORT_BYTES : ENCLAVE_REPORT_BYTES));
  const inner = taker(take(take(4).readUInt32LE()));
  if (take(Infinity).some((byte) => byte !== 0)) throw refusedEvidence("malformed", { field: "padding" });
  const [signature, attestationKey] = [inner(64), inner(64)];
  const certified = signed.readUInt16LE() === 3 ? inner : taker(certificationData(inner, QE_REPORT));
  const [qeReport, qeReportSignature] = [certified(ENCLAVE_REPORT_BYTES), certified(64)];
  const qeAuthData = certified(certified(2).readUInt16LE());
  const chain = certificatesIn(certificationData(certified, PEM_CHAIN).toString("latin1"));
  const [root, ...others] = chain.toReversed();
  if (!root) throw refusedEvidence("malformed", { field: "certificates" });
  return {
    signed,
    signature: lowerForm(signature, "ecdsa-p256"),
    attestationKey,
    qeReport,
    qeReportSignature: lowerForm(qeReportSignature, "ecdsa-p256"),
    qeAuthData,
    // The root is pinned to the byte.
    certificates: [root, ...others.map((certificate) => withLowSignature(certificate, "ecdsa-p256"))],
  };
}

function certificationData(take: (count: number) => Buffer, kind: number): Buffer {
  const found = take(2).readUInt16LE();
  if (found !== kind) throw refusedEvidence("unsupported_version", { certificationData: found });
  return take(take(4).readUInt32LE());
}

/** Takes bytes off the front, or all that are left for `Infinity`. */
function taker(bytes: Buffer): (count: number) => Buffer {
  let position = 0;
  return (count) => {
    const end = count === Infinity ? bytes.length : position + count;
    if (end > bytes.length) throw refusedEvidence("malformed", { field: "quote" });
    const taken = bytes.subarray(position, end);
    position = end;
    return taken;
  };
}

/** Certificates of a PEM text, in its order. */
function certificatesIn(pem: string): Buffer[] {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g);
  return [...blocks].map(([, body = ""]) => Buffer.from(body, "base64"));
}
