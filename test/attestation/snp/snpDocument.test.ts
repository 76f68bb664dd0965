import { expect } from "chai";
import type { EvidenceRefusal } from "#attestation/refusedEvidence.ts";
import { accepted, expectRefusal } from "#test/attestation/expectRefusal.ts";
import { sequence } from "#test/attestation/documents/derWriter.ts";
import { basicConstraints, extension, keyUsage, makeKey, usage } from "#test/attestation/documents/issueCertificate.ts";
import { otherForm } from "#test/attestation/documents/nitroDocument.ts";
import { makeSnp, now, type SnpChanges } from "#test/attestation/documents/snpDocument.ts";

const minimumTcb = { bootLoader: 10, tee: 0, snp: 23, microcode: 84 };
const stranger = makeKey("ecdsa-p384");
const rsaStranger = makeKey("rsa-pss");

function optionsFor(roots: string[], minimum = minimumTcb) {
  return { now, roots: { "sev-snp": { roots, minimumTcb: minimum } }, singleForm: true };
}
function refuse(changes: SnpChanges, reason: EvidenceRefusal, values = {}): void {
  const { document, roots } = makeSnp(changes);
  expectRefusal("sev-snp", document, optionsFor(roots), reason, values);
}
function accept(changes: SnpChanges = {}) {
  const { document, roots } = makeSnp(changes);
  return accepted("sev-snp", document, optionsFor(roots));
}
const SIGNATURE = 0x2a0;

describe("A document of kind sev-snp", () => {
  it("states measurement, registers, report data and TCB", () => {
    expect(accept()).to.deep.include({
      kind: "sev-snp",
      reportData: `0x${"da".repeat(64)}`,
      reportedTcb: minimumTcb,
    });
  });

  it("is measured by policy, launch digest and host data", () => {
    const { measurement } = accept();
    expect(accept({ report: { 0x50: [1], 0x140: [1] } }).measurement).to.equal(measurement);
    for (const position of [0x08, 0x90, 0xbf, 0xc0, 0xdf]) {
      expect(accept({ report: { [position]: [0x55] } }).measurement).not.to.equal(measurement);
    }
  });

  it("is refused in another form, with anything missing, added or of another size", () => {
    const { document, roots } = makeSnp();
    expectRefusal("sev-snp", Uint8Array.from([...document, 0]), optionsFor(roots), "malformed");
    expectRefusal("sev-snp", document.subarray(0, -1), optionsFor(roots), "malformed");
    refuse({ document: (parts) => ({ ...parts, version: 2 }) }, "malformed", { field: "version" });
    refuse({ document: (parts) => ({ ...parts, extra: 1 }) }, "malformed");
    refuse({ document: (parts) => ({ ...parts, report: parts.report.slice(1) }) }, "malformed", { field: "report" });
    refuse(
      { document: ({ certificates, ...rest }) => ({ ...rest, certificates: certificates.slice(1) }) },
      "malformed",
    );
    refuse({ document: (parts) => ({ ...parts, revocations: null }) }, "malformed", { field: "revocations" });
  });

  it("is refused for a report that is not supported", () => {
    refuse({ report: { 0: [1] } }, "unsupported_version", { version: 1 });
    refuse({ report: { 0: [5] } }, "unsupported_version", { version: 5 });
    refuse({ report: { 0x188: [0x1a] } }, "unsupported_version", { family: 0x1a });
    accept({ report: { 0: [2], 0x188: [0, 0, 0] } });
    refuse({ report: { 0x34: [2] } }, "unsupported_algorithm");
    refuse({ report: { 0x48: [0x04] } }, "unsupported_version", { signingKey: 1 });
  });

  it("is refused where the guest can be debugged, or did not ask by itself", () => {
    refuse({ report: { 0x0a: [0x0b] } }, "debug_mode");
    refuse({ report: { 0x0a: [0x01] } }, "malformed", { field: "policy" });
    for (const vmpl of [[1], [3], [0xff, 0xff, 0xff, 0xff]]) refuse({ report: { 0x30: vmpl } }, "wrong_privilege");
  });

  it("is signed by the machine's key, and nothing stands in what is not signed", () => {
    refuse({ signer: stranger }, "bad_signature");
    refuse({ tampered: { 0x50: [1] } }, "bad_signature");
    refuse({ tampered: { 0x29f: [1] } }, "bad_signature");
    for (const position of [48, 71, 72 + 48, 143, 144, 511]) {
      refuse({ tampered: { [SIGNATURE + position]: [1] } }, "malformed", { field: "signature" });
    }
  });

  it("has a second form that says the same, and is not admitted", () => {
    const { document, roots } = makeSnp({
      document: (parts) => {
        const report = Buffer.from(parts.report);
        const half = (at: number) => Buffer.from(report.subarray(at, at + 48)).reverse();
        const other = otherForm(Buffer.concat([half(SIGNATURE), half(SIGNATURE + 72)]));
        report.set(Buffer.from(other.subarray(48)).reverse(), SIGNATURE + 72);
        return { ...parts, report };
      },
    });
    accepted("sev-snp", document, { ...optionsFor(roots), singleForm: false });
    expectRefusal("sev-snp", document, optionsFor(roots), "second_form");
  });

  it("has certificates that lead to the pinned root", () => {
    const { document, roots } = makeSnp();
    expectRefusal("sev-snp", document, optionsFor(["00".repeat(32)]), "wrong_root");
    expectRefusal("sev-snp", document, { now, roots: { nitro: roots } }, "kind_not_allowed");
    for (const name of ["root", "authority", "machine"] as const) {
      refuse({ certificates: { [name]: { notAfter: now - 1 } } }, "certificate_expired");
      refuse({ certificates: { [name]: { notBefore: now + 1 } } }, "certificate_not_valid_yet");
      const unknown = [extension("2a03", sequence(), true)];
      refuse({ certificates: { [name]: { extensions: unknown } } }, "unknown_critical_extension");
      if (name === "root") continue;
      refuse({ certificates: { [name]: { issuer: "somebody" } } }, "broken_chain");
      refuse({ certificates: { [name]: { signer: rsaStranger } } }, "bad_certificate_signature");
      refuse({ certificates: { [name]: { scheme: "ecdsa-p384", signer: stranger } } }, "unsupported_algorithm");
    }
    refuse({ certificates: { authority: { extensions: [] } } }, "not_an_authority");
    const noAuthority = [basicConstraints(true, 0), keyUsage(usage.sign)];
    refuse({ certificates: { authority: { extensions: noAuthority } } }, "not_an_authority");
    refuse({ certificates: { root: { extensions: [basicConstraints(true, 0), keyUsage(6)] } } }, "path_too_long");
    refuse({ certificates: { machine: { extensions: [basicConstraints(true), keyUsage(6)] } } }, "not_a_leaf");
    refuse({ certificates: { machine: { extensions: [keyUsage(usage.certify)] } } }, "not_a_leaf");
    refuse({ certificates: { machine: { key: rsaStranger } } }, "unsupported_algorithm");
    refuse({ certificates: { authority: { key: stranger } } }, "unsupported_algorithm");
  });

  it("is refused where a certificate is revoked, or the list is not the root's or not of now", () => {
    refuse({ revocations: { revoked: [77, 2] } }, "certificate_revoked", { serial: "02" });
    accept({ revocations: { revoked: [] } });
    refuse({ revocations: { notAfter: now - 1 } }, "certificate_expired");
    refuse({ revocations: { notBefore: now + 1 } }, "certificate_not_valid_yet");
    refuse({ revocations: { issuer: "ASK" } }, "broken_chain");
    refuse({ revocations: { signer: rsaStranger } }, "bad_certificate_signature");
    const noLists = [basicConstraints(true), keyUsage(usage.certify)];
    refuse({ certificates: { root: { extensions: noLists } } }, "not_an_authority");
  });

  it("is of the machine and the firmware that the certificate is for", () => {
    refuse({ chipId: Buffer.alloc(64, 0xc8) }, "wrong_platform");
    refuse({ report: { 0x1a0: [0] } }, "wrong_platform");
    for (const part of [0, 1, 2, 3]) {
      const tcb: [number, number, number, number] = [10, 0, 23, 84];
      tcb[part] = (tcb[part] ?? 0) + 1;
      refuse({ tcb }, "wrong_platform");
    }
    refuse({ certificates: { machine: { extensions: [] } } }, "malformed_certificate", { field: "VCEK extension" });
  });

  it("is refused below the lowest firmware that the network names", () => {
    const { document, roots } = makeSnp();
    for (const part of ["bootLoader", "tee", "snp", "microcode"] as const) {
      const minimum = { ...minimumTcb, [part]: minimumTcb[part] + 1 };
      expectRefusal("sev-snp", document, optionsFor(roots, minimum), "tcb_not_accepted", { part });
    }
    accepted("sev-snp", document, optionsFor(roots, { bootLoader: 0, tee: 0, snp: 0, microcode: 0 }));
  });
});
