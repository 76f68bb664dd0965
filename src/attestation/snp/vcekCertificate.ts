import type { Certificate } from "#attestation/x509/certificate.ts";
import { derTag, malformed, readOnly, smallUnsignedOf } from "#attestation/x509/derReader.ts";
import type { SnpTcb } from "./snpReport.ts";

/** 1.3.6.1.4.1.3704.1, AMD's extensions (AMD, VCEK Certificate and KDS Interface, section 3.1). */
const amd = "2b060104019c7801";
const field = {
  bootLoader: `${amd}0301`,
  tee: `${amd}0302`,
  snp: `${amd}0303`,
  microcode: `${amd}0308`,
  hardwareId: `${amd}04`,
} as const;

/**
 * What the certificate of a machine's key says it was derived for.
 *
 * @throws OpgError `evidence_refused`: `malformed_certificate`
 */
export function readVcekPlatform({ extensions }: Certificate): { tcb: SnpTcb; chipId: string } {
  const content = (id: string): Uint8Array => {
    const found = extensions.get(id);
    if (!found) throw malformed("VCEK extension");
    return found;
  };
  const version = (id: string): number => smallUnsignedOf(readOnly(content(id), derTag.integer));
  return {
    tcb: {
      bootLoader: version(field.bootLoader),
      tee: version(field.tee),
      snp: version(field.snp),
      microcode: version(field.microcode),
    },
    chipId: Buffer.from(content(field.hardwareId)).toString("hex"),
  };
}
