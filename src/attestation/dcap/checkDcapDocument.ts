import { createHash } from "node:crypto";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";
import { type ChainExpectations, type CheckedChain, checkChain } from "#attestation/x509/checkChain.ts";
import { checkRevocations } from "#attestation/x509/revocations.ts";
import { importPoint, isLowerForm, isSigned } from "#attestation/x509/signatures.ts";
import { checkPlatformTcb, checkQuotingEnclave } from "./checkTcb.ts";
import { type QeIdentity, readQeIdentity, readTcbInfo, type TcbInfo } from "./collateral.ts";
import { type DcapDocument, type DcapKind, readDcapDocument } from "./dcapDocument.ts";
import { readPckPlatform } from "./pckCertificate.ts";
import { codeOfEnclave, codeOfTd, readBody, readEnclaveReport, type ReportedCode, seamOf } from "./reports.ts";

/** What an SGX or TDX document states, once all of it is checked. Its quotes hold no time: `reportData` must answer a challenge. */
export interface DcapEvidence extends ReportedCode {
  kind: DcapKind;
}

/** What a document is held against. */
export interface DcapExpectations {
  kind: DcapKind;
  /** SHA-256 of the root certificates that count. */
  roots: readonly string[];
  /** Seconds since 1970. */
  now: number;
  /** See `VerifyOptions`. */
  singleForm: boolean;
}

const scheme = "ecdsa-p256";

/**
 * Checks a document of Intel's: the quote's signature, the quoting enclave that vouches for its key, the machine's
 * certificates up to the pinned root, revocations, and that machine, module and quoting enclave are up to date by what
 * Intel says now.
 *
 * @throws OpgError `evidence_refused` with the reason
 */
export function checkDcapDocument(document: Uint8Array, expected: DcapExpectations): DcapEvidence {
  const { kind, now, singleForm } = expected;
  const { quote, collateral } = readDcapDocument(document, kind);
  const body = readBody(quote.signed, kind);
  if (singleForm) checkLowForms(quote, collateral);
  checkAttestationKey(quote);
  const chains = { roots: expected.roots, now, authority: scheme, leaf: scheme, lowOnly: singleForm } as const;
  const pck = checkChain(quote.certificates, chains);
  if (!isSigned(scheme, pck.leafKey, quote.qeReport, quote.qeReportSignature, "plain")) {
    throw refusedEvidence("wrong_quoting_enclave");
  }
  const [root = Buffer.alloc(0)] = quote.certificates;
  const { tcbInfo, qeIdentity } = checkCollateral(collateral, root, pck, chains);
  checkQuotingEnclave(qeIdentity, readEnclaveReport(quote.qeReport), kind);
  checkPlatformTcb(tcbInfo, readPckPlatform(pck.leaf), kind === "tdx" ? seamOf(body) : undefined);
  return { kind, ...(kind === "tdx" ? codeOfTd(body) : codeOfEnclave(body)) };
}

/** The attestation key signed the quote, and the quoting enclave's report holds the digest of that key. */
function checkAttestationKey(quote: DcapDocument["quote"]): void {
  const key = importPoint(quote.attestationKey, scheme);
  if (!isSigned(scheme, key, quote.signed, quote.signature, "plain")) throw refusedEvidence("bad_signature");
  const digest = createHash("sha256").update(quote.attestationKey).update(quote.qeAuthData).digest();
  const expected = Buffer.concat([digest, Buffer.alloc(32)]);
  const { reportData } = readEnclaveReport(quote.qeReport);
  if (Buffer.compare(reportData, expected) !== 0) throw refusedEvidence("wrong_quoting_enclave");
}

function checkCollateral(
  collateral: DcapDocument["collateral"],
  rootBytes: Uint8Array,
  { certificates }: CheckedChain,
  chains: ChainExpectations,
): { tcbInfo: TcbInfo; qeIdentity: QeIdentity } {
  const [root, authority, pck] = certificates;
  if (!root || !authority || !pck) throw refusedEvidence("broken_chain");
  const signer = checkChain([rootBytes, collateral.signer], chains);
  checkRevocations(collateral.rootRevocations, root, [authority, signer.leaf], chains);
  checkRevocations(collateral.pckRevocations, authority, [pck], chains);
  for (const field of ["tcbInfo", "qeIdentity"] as const) {
    if (!isSigned(scheme, signer.leafKey, collateral[field], collateral[`${field}Signature`], "plain")) {
      throw refusedEvidence("bad_collateral", { field });
    }
  }
  return {
    tcbInfo: readTcbInfo(collateral.tcbInfo, chains.now),
    qeIdentity: readQeIdentity(collateral.qeIdentity, chains.now),
  };
}

function checkLowForms(quote: DcapDocument["quote"], collateral: DcapDocument["collateral"]): void {
  const signatures = [
    quote.signature,
    quote.qeReportSignature,
    collateral.tcbInfoSignature,
    collateral.qeIdentitySignature,
  ];
  if (!signatures.every((signature) => isLowerForm(signature, scheme))) throw refusedEvidence("second_form");
}
