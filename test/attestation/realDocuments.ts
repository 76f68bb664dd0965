import { readFileSync } from "node:fs";
import { join } from "node:path";
import { collateralJson, makeDcapDocument } from "#attestation/dcap/makeDcapDocument.ts";
import type { EvidenceKind } from "#attestation/evidence.ts";
import { inSingleForm } from "#attestation/nitro/checkNitroDocument.ts";
import { makeSnpDocument } from "#attestation/snp/checkSnpDocument.ts";
import type { VerifyOptions } from "#attestation/verifyEvidence.ts";

/** A document that a real platform made, in its single form, and when and under which roots it holds. */
export interface RealDocument {
  name: string;
  kind: EvidenceKind;
  document: Uint8Array;
  options: VerifyOptions;
}

/** SHA-256 of the makers' roots, as they publish them. */
export const realRoots = {
  aws: "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b",
  intel: "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",
  amdGenoa: "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
} as const;

/** Azure puts a header of its own before the report. */
const AZURE_HEADER_BYTES = 32;
const SNP_REPORT_BYTES = 1184;
const SUMMER_2025 = 1_750_500_000;

const nitroTimes = { "attestation-2022-09-15": 1_663_263_808, "attestation-2026-02-12": 1_770_918_962 };

/** Reads all real documents below a folder. */
export function readRealDocuments(folder: string): RealDocument[] {
  return [...readNitro(join(folder, "nitro")), readTdx(join(folder, "tdx")), readSnp(join(folder, "snp"))];
}

/** A Nitro document as AWS made it. */
export function readNitroDocument(folder: string, name: string): Uint8Array {
  return Buffer.from(readFileSync(join(folder, `${name}.b64`), "utf8"), "base64");
}

function readNitro(folder: string): RealDocument[] {
  return Object.entries(nitroTimes).map(([name, now]) => ({
    name: `nitro ${name}`,
    kind: "nitro",
    document: inSingleForm(readNitroDocument(folder, name)),
    options: { now, roots: { nitro: [realRoots.aws] }, singleForm: true },
  }));
}

function readTdx(folder: string): RealDocument {
  const collateral = collateralJson.parse(JSON.parse(readFileSync(join(folder, "collateral.json"), "utf8")));
  return {
    name: "tdx quote",
    kind: "tdx",
    document: makeDcapDocument("tdx", readFileSync(join(folder, "quote.bin")), collateral),
    options: { now: SUMMER_2025, roots: { tdx: [realRoots.intel] }, singleForm: true },
  };
}

function readSnp(folder: string): RealDocument {
  const text = readFileSync(join(folder, "certificates.txt"), "utf8");
  const [authority, root] = blocksAfter(text, "test_amd_sev_genoa_root_certs.pem");
  const [machine] = blocksAfter(text, "test_vcek.pem");
  const [revocations] = blocksAfter(text, "test_amd_genoa_crl.pem");
  const [azure] = blocksAfter(readFileSync(join(folder, "report.txt"), "utf8"), "test_azure_sevsnp_report.pem");
  if (!authority || !root || !machine || !revocations || !azure) throw new Error("the SEV-SNP fixtures are not whole");
  const report = azure.subarray(AZURE_HEADER_BYTES, AZURE_HEADER_BYTES + SNP_REPORT_BYTES);
  const minimumTcb = { bootLoader: 10, tee: 0, snp: 23, microcode: 84 };
  return {
    name: "sev-snp report",
    kind: "sev-snp",
    document: makeSnpDocument(report, [root, authority, machine], revocations),
    options: {
      now: SUMMER_2025,
      roots: { "sev-snp": { roots: [realRoots.amdGenoa], minimumTcb } },
      singleForm: true,
    },
  };
}

/** The PEM blocks under a heading of an archive. */
function blocksAfter(archive: string, heading: string): Buffer[] {
  const section = archive.split(/^-- /m).find((part) => part.startsWith(`${heading} --`)) ?? "";
  const blocks = section.matchAll(/-----BEGIN [^-]+-----([A-Za-z0-9+/=\s]+)-----END/g);
  return [...blocks].map(([, body = ""]) => Buffer.from(body, "base64"));
}
