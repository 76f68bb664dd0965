import type { Certificate } from "#attestation/x509/certificate.ts";
import { DerReader, derTag, type DerValue, malformed, readOnly, smallUnsignedOf } from "#attestation/x509/derReader.ts";

/** 1.2.840.113741.1.13.1, Intel's extension, and what stands below it. */
const sgx = "2a864886f84d010d01";
const field = { tcb: `${sgx}02`, pceId: `${sgx}03`, fmspc: `${sgx}04` } as const;
const COMPONENTS = 16;

/** What the certificate of a machine's provisioning key says of the machine. */
export interface PckPlatform {
  /** Versions of its firmware and microcode, in Intel's order. */
  components: readonly number[];
  pceSvn: number;
  /** Hex. */
  pceId: string;
  /** Family, model, stepping and platform, hex: whose TCB levels are to be looked at. */
  fmspc: string;
}

/**
 * Reads Intel's extension of a PCK certificate (Intel, SGX PCK Certificate and CRL Profile, section 1.3.5).
 *
 * @throws OpgError `evidence_refused`: `malformed_certificate`
 */
export function readPckPlatform({ extensions }: Certificate): PckPlatform {
  const content = extensions.get(sgx);
  if (!content) throw malformed("SGX extension");
  const fields = readFields(readOnly(content, derTag.sequence));
  const tcb = readFields(valueOf(fields, field.tcb, derTag.sequence));
  const svn = (index: number): number =>
    smallUnsignedOf(valueOf(tcb, `${field.tcb}${index.toString(16).padStart(2, "0")}`, derTag.integer));
  const hexOf = (id: string): string => Buffer.from(valueOf(fields, id, derTag.octetString).content).toString("hex");
  return {
    components: Array.from({ length: COMPONENTS }, (_, index) => svn(index + 1)),
    pceSvn: svn(COMPONENTS + 1),
    pceId: hexOf(field.pceId),
    fmspc: hexOf(field.fmspc),
  };
}

function readFields({ content }: DerValue): Map<string, DerValue> {
  const fields = new Map<string, DerValue>();
  const list = new DerReader(content);
  while (!list.done()) {
    const entry = list.enter(derTag.sequence);
    const id = Buffer.from(entry.next(derTag.objectIdentifier).content).toString("hex");
    if (fields.has(id)) throw malformed("SGX extension");
    fields.set(id, entry.next());
    entry.end();
  }
  return fields;
}

function valueOf(fields: ReadonlyMap<string, DerValue>, id: string, tag: number): DerValue {
  const value = fields.get(id);
  if (value?.tag !== tag) throw malformed("SGX extension");
  return value;
}
