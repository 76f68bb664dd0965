import { z } from "zod";
import { byteString } from "#attestation/byteString.ts";
import { encodeDeterministic, readDeterministic } from "#attestation/readCbor.ts";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";
import { checkChain } from "#attestation/x509/checkChain.ts";
import { checkRevocations } from "#attestation/x509/revocations.ts";
import { isLowerForm, isSigned, lowerForm } from "#attestation/x509/signatures.ts";
import { readSnpReport, REPORT_BYTES, type SnpReport, type SnpTcb, withSignature } from "./snpReport.ts";
import { readVcekPlatform } from "./vcekCertificate.ts";

/** What a SEV-SNP document states, once all of it is checked. A report holds no time: `reportData` must answer a challenge. */
export interface SnpEvidence extends Pick<SnpReport, "measurement" | "registers" | "reportData" | "reportedTcb"> {
  kind: "sev-snp";
}

/** What a document is held against. */
export interface SnpExpectations {
  /** SHA-256 of the root certificates (ARK) that count, one per line of processors. */
  roots: readonly string[];
  /** Seconds since 1970. */
  now: number;
  /** See `VerifyOptions`. */
  singleForm: boolean;
  /** The lowest firmware that counts, part by part. */
  minimumTcb: SnpTcb;
}

const content = z.strictObject({
  kind: z.literal("sev-snp"),
  version: z.literal(1),
  report: byteString(REPORT_BYTES),
  /** Root (ARK), authority (ASK), and the certificate of the machine's key (VCEK). */
  certificates: z.array(byteString(1, 4096)).length(3),
  /** The root's revocation list. */
  revocations: byteString(1, 20_000),
});

/**
 * Checks a document of AMD's: the report's form and signature, the machine's certificates up to the pinned root, revocations,
 * and that the certificate is of this machine in this state.
 *
 * @throws OpgError `evidence_refused` with the reason
 */
export function checkSnpDocument(document: Uint8Array, expected: SnpExpectations): SnpEvidence {
  const { now } = expected;
  const parsed = content.safeParse(readDeterministic(document));
  if (!parsed.success) throw refusedEvidence("malformed", { field: parsed.error.issues[0]?.path.join(".") });
  const { certificates, revocations } = parsed.data;
  const report = readSnpReport(parsed.data.report);
  const scheme = "ecdsa-p384";
  if (expected.singleForm && !isLowerForm(report.signature, scheme)) throw refusedEvidence("second_form");
  const chains = { roots: expected.roots, now, authority: "rsa-pss", leaf: scheme, bareLeaf: true } as const;
  const chain = checkChain(certificates, chains);
  const [root, authority] = chain.certificates;
  if (!root || !authority) throw refusedEvidence("broken_chain");
  checkRevocations(revocations, root, [authority], chains);
  if (!isSigned(scheme, chain.leafKey, report.signed, report.signature, "plain"))
    throw refusedEvidence("bad_signature");
  checkPlatform(report, readVcekPlatform(chain.leaf), expected.minimumTcb);
  const { measurement, registers, reportData, reportedTcb } = report;
  return { kind: "sev-snp", measurement, registers, reportData, reportedTcb };
}

/**
 * Joins a report and the certificates for it to a document, the report's signature in its lower form. It judges nothing.
 *
 * @param certificates - root (ARK), authority (ASK) and the machine's (VCEK), in DER
 * @param revocations - the root's list, in DER
 * @throws OpgError `evidence_refused` for what is no report
 */
export function makeSnpDocument(
  report: Uint8Array,
  certificates: readonly Uint8Array[],
  revocations: Uint8Array,
): Uint8Array {
  const low = withSignature(report, lowerForm(readSnpReport(report).signature, "ecdsa-p384"));
  return encodeDeterministic({ kind: "sev-snp", version: 1, report: low, certificates, revocations });
}

function checkPlatform(
  { reportedTcb, chipId }: SnpReport,
  certified: { tcb: SnpTcb; chipId: string },
  minimum: SnpTcb,
): void {
  const parts = ["bootLoader", "tee", "snp", "microcode"] as const;
  const isSame = chipId === certified.chipId && parts.every((part) => reportedTcb[part] === certified.tcb[part]);
  if (!isSame) throw refusedEvidence("wrong_platform");
  const old = parts.find((part) => reportedTcb[part] < minimum[part]);
  if (old) throw refusedEvidence("tcb_not_accepted", { part: old, version: reportedTcb[old] });
}
