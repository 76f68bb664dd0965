import { sign } from "node:crypto";
import { withSignature } from "#attestation/snp/snpReport.ts";
import { encodeDeterministic } from "#attestation/readCbor.ts";
import { fingerprint } from "#attestation/x509/checkChain.ts";
import { lowerForm } from "#attestation/x509/signatures.ts";
import { integer } from "./derWriter.ts";
import {
  basicConstraints,
  extension,
  issueCertificate,
  issueRevocations,
  keyUsage,
  type KeyPair,
  makeKey,
  type RevocationTemplate,
  type Template,
  usage,
} from "./issueCertificate.ts";

/** When these documents are checked, seconds since 1970. */
export const now = 1_900_000_000;
const DAY = 24 * 3600;
const amd = "2b060104019c7801";

/** Made when first asked for: RSA keys take long. */
let made: Record<"root" | "authority" | "machine", KeyPair> | undefined;
function keys(): Record<"root" | "authority" | "machine", KeyPair> {
  made ??= { root: makeKey("rsa-pss"), authority: makeKey("rsa-pss"), machine: makeKey("ecdsa-p384") };
  return made;
}

/** How a document differs from a proper one. */
export interface SnpChanges {
  certificates?: Partial<Record<"root" | "authority" | "machine", Partial<Template>>>;
  /** Versions and chip in the machine's certificate: boot loader, TEE, SNP, microcode. */
  tcb?: readonly [number, number, number, number];
  chipId?: Uint8Array;
  revocations?: Partial<RevocationTemplate>;
  /** Bytes of the report by their position, before it is signed, and after. */
  report?: Readonly<Record<number, readonly number[]>>;
  tampered?: Readonly<Record<number, readonly number[]>>;
  signer?: KeyPair;
  document?: (parts: SnpParts) => unknown;
}

export interface SnpParts {
  kind: string;
  version: number;
  report: Uint8Array;
  certificates: readonly Uint8Array[];
  revocations: Uint8Array;
}

function makeCertificates(changes: SnpChanges): Buffer[] {
  const { root, authority, machine } = keys();
  const common = { version: 2, notBefore: now - DAY, notAfter: now + DAY, scheme: "rsa-pss" as const };
  const [bootLoader, tee, snp, microcode] = changes.tcb ?? [10, 0, 23, 84];
  const versions = { "0301": bootLoader, "0302": tee, "0303": snp, "0308": microcode };
  const leaf = [
    ...Object.entries(versions).map(([id, value]) => extension(`${amd}${id}`, integer(value))),
    extension(`${amd}04`, changes.chipId ?? Buffer.alloc(64, 0xc7)),
  ];
  const extensions = (pathLength?: number) => [basicConstraints(true, pathLength), keyUsage(usage.certifyAndRevoke)];
  const templates: Record<string, Template> = {
    root: { ...common, subject: "ARK", issuer: "ARK", serial: 1, key: root, signer: root, extensions: extensions() },
    authority: {
      ...common,
      ...{ subject: "ASK", issuer: "ARK", serial: 2, key: authority, signer: root, extensions: extensions(0) },
    },
    machine: {
      ...common,
      subject: "VCEK",
      issuer: "ASK",
      serial: 0,
      key: machine,
      signer: authority,
      extensions: leaf,
    },
  };
  return Object.entries(templates).map(([name, template]) =>
    issueCertificate({ ...template, ...changes.certificates?.[name as "root"] }),
  );
}

function properReport(): Buffer {
  const report = Buffer.alloc(0x4a0);
  report.writeUInt32LE(3, 0);
  report.writeBigUInt64LE(0x3001fn, 0x08);
  report.writeUInt32LE(1, 0x34);
  report.fill(0xda, 0x50, 0x90);
  report.fill(0x57, 0x90, 0xc0);
  report.set([10, 0, 0, 0, 0, 0, 23, 84], 0x180);
  report.set([0x19, 0x11, 1], 0x188);
  report.fill(0xc7, 0x1a0, 0x1e0);
  return report;
}

function patch(bytes: Uint8Array, patches: SnpChanges["report"] = {}): void {
  for (const [position, values] of Object.entries(patches)) bytes.set(values, Number(position));
}

/** A SEV-SNP document under a local root, proper but for the changes, and its root's fingerprint. */
export function makeSnp(changes: SnpChanges = {}): { document: Uint8Array; roots: string[] } {
  const certificates = makeCertificates(changes);
  const revocations = issueRevocations({
    ...{ issuer: "ARK", notBefore: now - DAY, notAfter: now + DAY, revoked: [77], extensions: [] },
    ...{ scheme: "rsa-pss", signer: keys().root },
    ...changes.revocations,
  });
  const unsigned = properReport();
  patch(unsigned, changes.report);
  const { privateKey: key } = changes.signer ?? keys().machine;
  const signature = sign("sha384", unsigned.subarray(0, 0x2a0), { key, dsaEncoding: "ieee-p1363" });
  const report = withSignature(unsigned, lowerForm(signature, "ecdsa-p384"));
  patch(report, changes.tampered);
  const parts: SnpParts = { kind: "sev-snp", version: 1, report, certificates, revocations };
  const document = encodeDeterministic(changes.document?.(parts) ?? parts);
  return { document, roots: [fingerprint(certificates[0] ?? Buffer.alloc(0))] };
}
