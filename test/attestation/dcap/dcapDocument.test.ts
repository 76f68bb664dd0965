import { expect } from "chai";
import type { DcapKind } from "#attestation/dcap/dcapDocument.ts";
import type { EvidenceRefusal } from "#attestation/refusedEvidence.ts";
import { encodeDeterministic } from "#attestation/readCbor.ts";
import { readFrame } from "#attestation/x509/certificate.ts";
import { fingerprint } from "#attestation/x509/checkChain.ts";
import { isSignedLow } from "#attestation/x509/lowerForm.ts";
import { accepted, expectRefusal } from "#test/attestation/expectRefusal.ts";
import {
  type DcapChanges,
  makeDcap,
  makeDcapParts,
  now,
  serials,
  stranger,
} from "#test/attestation/documents/dcapDocument.ts";
import { sequence } from "#test/attestation/documents/derWriter.ts";
import { basicConstraints, extension, keyUsage, usage } from "#test/attestation/documents/issueCertificate.ts";

type Texts = Record<string, unknown>;
const HEADER = 48;
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

function optionsFor(kind: DcapKind, roots: string[]) {
  return { now, roots: { [kind]: roots }, singleForm: true };
}
function refuse(kind: DcapKind, changes: DcapChanges, reason: EvidenceRefusal, values = {}): void {
  const { document, roots } = makeDcap(kind, changes);
  expectRefusal(kind, document, optionsFor(kind, roots), reason, values);
}
function accept(kind: DcapKind, changes: DcapChanges = {}) {
  const { document, roots } = makeDcap(kind, changes);
  return accepted(kind, document, optionsFor(kind, roots));
}
const changed = (value: Texts) => (content: Texts) => ({ ...content, ...value });
const within = (part: "quote" | "collateral", value: Texts): DcapChanges => ({
  document: (document) => ({ ...document, [part]: { ...document[part], ...value } }),
});

for (const kind of ["tdx", "sgx"] as const) {
  describe(`A document of kind ${kind}`, () => {
    it("states measurement, registers and report data", () => {
      const reportData = Array.from({ length: 64 }, (_, index) => index);
      const at = HEADER + (kind === "tdx" ? 520 : 320);
      const evidence = accept(kind, { signed: { [at]: reportData } });
      expect(evidence).to.include({ kind, reportData: `0x${Buffer.from(reportData).toString("hex")}` });
      expect(evidence.measurement).to.equal(accept(kind).measurement);
    });

    it("is refused in another form, with anything missing, added or of another size", () => {
      const { document, roots } = makeDcap(kind);
      const options = optionsFor(kind, roots);
      expectRefusal(kind, Uint8Array.from([...document, 0]), options, "malformed");
      expectRefusal(kind, document.subarray(0, -1), options, "malformed");
      expectRefusal(
        kind === "tdx" ? "sgx" : "tdx",
        document,
        { ...options, roots: { tdx: roots, sgx: roots } },
        "malformed",
      );
      refuse(kind, { document: (parts) => ({ ...parts, version: 2 }) }, "malformed", { field: "version" });
      refuse(kind, { document: (parts) => ({ ...parts, extra: 1 }) }, "malformed");
      refuse(kind, { document: () => [1] }, "malformed");
      const parts = makeDcapParts(kind);
      for (const part of ["quote", "collateral"] as const) {
        for (const field of Object.keys(parts[part])) {
          refuse(kind, within(part, { [field]: 1 }), "malformed", { field: `${part}.${field}` });
        }
        refuse(kind, within(part, { extra: 1 }), "malformed", { field: part });
      }
      refuse(kind, within("quote", { signature: Buffer.alloc(63) }), "malformed");
      refuse(kind, within("quote", { certificates: parts.quote.certificates.slice(1) }), "malformed");
      const reversed = encodeDeterministic(parts).slice();
      reversed[0] = 0xbf;
      expectRefusal(kind, Uint8Array.from([...reversed, 0xff]), options, "malformed");
    });

    it("is refused for a header that is not supported", () => {
      refuse(kind, { signed: { 0: [5, 0] } }, "unsupported_version");
      refuse(kind, { signed: { 2: [3, 0] } }, "unsupported_algorithm");
      refuse(kind, { signed: { 4: [kind === "tdx" ? 0 : 0x81] } }, "malformed", { field: "teeType" });
      refuse(kind, { signed: { 12: [0] } }, "wrong_quoting_enclave");
      refuse(kind, within("quote", { signed: makeDcapParts(kind).quote.signed.subarray(0, -1) }), "malformed");
    });

    it("is signed by the attestation key that the quoting enclave vouches for", () => {
      refuse(kind, { quoteSigner: stranger }, "bad_signature");
      const foreign = stranger.publicKey.export({ type: "spki", format: "der" }).subarray(27);
      refuse(
        kind,
        {
          quoteSigner: stranger,
          document: (parts) => ({ ...parts, quote: { ...parts.quote, attestationKey: foreign } }),
        },
        "wrong_quoting_enclave",
      );
      refuse(kind, within("quote", { attestationKey: Buffer.alloc(64, 1) }), "unsupported_algorithm");
      refuse(kind, within("quote", { qeAuthData: Buffer.from("other data") }), "wrong_quoting_enclave");
      refuse(kind, { qeReport: { 352: [1] } }, "wrong_quoting_enclave");
      refuse(kind, { qeSigner: stranger }, "wrong_quoting_enclave");
    });

    it("is refused where a signature is in its second form", () => {
      const parts = makeDcapParts(kind);
      const other = (signature: Uint8Array) => {
        const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString("hex")}`);
        return Buffer.concat([
          signature.subarray(0, 32),
          Buffer.from((order - s).toString(16).padStart(64, "0"), "hex"),
        ]);
      };
      for (const field of ["signature", "qeReportSignature"] as const) {
        const second = { ...parts, quote: { ...parts.quote, [field]: other(parts.quote[field]) } };
        refuse(kind, { document: () => second }, "second_form");
        const roots = [fingerprint(parts.quote.certificates[0]!)];
        accepted(kind, encodeDeterministic(second), { now, roots: { [kind]: roots } });
      }
      for (const field of ["tcbInfoSignature", "qeIdentitySignature"] as const) {
        refuse(kind, within("collateral", { [field]: other(parts.collateral[field]) }), "second_form");
      }
    });

    it("is refused where a certificate's or list's signature is in its second form, as half of them are issued", () => {
      const isLow = (encoded: Uint8Array) => isSignedLow(readFrame(encoded).signature, "ecdsa-p256");
      const issued = () => {
        const parts = makeDcapParts(kind, { asIssued: true });
        const { collateral, quote } = parts;
        const [, ...chain] = quote.certificates;
        return { parts, isLow: [...chain, collateral.signer, collateral.pckRevocations].every(isLow) };
      };
      let { parts, ...found } = issued();
      while (found.isLow) ({ parts, ...found } = issued());
      const options = { now, roots: { [kind]: [fingerprint(parts.quote.certificates[0]!)] } };
      accepted(kind, encodeDeterministic(parts), options);
      expectRefusal(kind, encodeDeterministic(parts), { ...options, singleForm: true }, "second_form");
    });

    it("has certificates that lead to the pinned root", () => {
      const { document, roots } = makeDcap(kind);
      expectRefusal(kind, document, { now, roots: { [kind]: ["00".repeat(32)] } }, "wrong_root");
      expectRefusal(kind, document, { now, roots: { nitro: roots } }, "kind_not_allowed");
      for (const name of ["root", "authority", "pck", "signer"] as const) {
        refuse(kind, { certificates: { [name]: { notAfter: now - 1 } } }, "certificate_expired");
        refuse(kind, { certificates: { [name]: { notBefore: now + 1 } } }, "certificate_not_valid_yet");
        const unknown = [extension("2a03", sequence(), true)];
        refuse(kind, { certificates: { [name]: { extensions: unknown } } }, "unknown_critical_extension");
        if (name === "root") continue;
        refuse(kind, { certificates: { [name]: { issuer: "somebody" } } }, "broken_chain");
        refuse(kind, { certificates: { [name]: { signer: stranger } } }, "bad_certificate_signature");
      }
      const leaf = [basicConstraints(false), keyUsage(usage.sign)];
      refuse(kind, { certificates: { authority: { extensions: leaf } } }, "not_an_authority");
      refuse(
        kind,
        { certificates: { root: { extensions: [basicConstraints(true, 0), keyUsage(6)] } } },
        "path_too_long",
      );
      refuse(kind, { certificates: { signer: { extensions: [basicConstraints(true), keyUsage(6)] } } }, "not_a_leaf");
      refuse(kind, { certificates: { pck: { extensions: leaf } } }, "malformed_certificate", {
        field: "SGX extension",
      });
    });

    it("is refused where a certificate is revoked, or a list is not its issuer's or not of now", () => {
      refuse(kind, { revocations: { root: { revoked: [99, serials.authority] } } }, "certificate_revoked");
      refuse(kind, { revocations: { root: { revoked: [serials.signer] } } }, "certificate_revoked");
      refuse(kind, { revocations: { pck: { revoked: [serials.pck] } } }, "certificate_revoked");
      for (const list of ["root", "pck"] as const) {
        accept(kind, { revocations: { [list]: { revoked: [] } } });
        refuse(kind, { revocations: { [list]: { notAfter: now - 1 } } }, "certificate_expired");
        refuse(kind, { revocations: { [list]: { notBefore: now + 1 } } }, "certificate_not_valid_yet");
        refuse(kind, { revocations: { [list]: { issuer: "somebody" } } }, "broken_chain");
        refuse(kind, { revocations: { [list]: { signer: stranger } } }, "bad_certificate_signature");
        const partial = [extension("551d1c", sequence(), true)];
        refuse(kind, { revocations: { [list]: { extensions: partial } } }, "unknown_critical_extension");
      }
      const noLists = [basicConstraints(true, 0), keyUsage(usage.certify)];
      refuse(kind, { certificates: { authority: { extensions: noLists } } }, "not_an_authority");
    });

    it("is judged by texts that Intel's signer signed, and that are of now", () => {
      refuse(kind, { textSigner: stranger }, "bad_collateral", { field: "tcbInfo" });
      const other = makeDcapParts(kind).collateral.qeIdentitySignature;
      refuse(
        kind,
        within("collateral", { qeIdentitySignature: other.map((byte, index) => (index === 9 ? byte ^ 1 : byte)) }),
        "bad_collateral",
        {
          field: "qeIdentity",
        },
      );
      const day = 24 * 3600;
      const late = { issueDate: iso(now + 1), nextUpdate: iso(now + day) };
      const old = { issueDate: iso(now - day), nextUpdate: iso(now - 1) };
      for (const text of ["tcbInfo", "qeIdentity"] as const) {
        refuse(kind, { [text]: changed(late) }, "collateral_expired", { field: text });
        refuse(kind, { [text]: changed(old) }, "collateral_expired", { field: text });
        refuse(kind, { [text]: changed({ version: 1 }) }, "bad_collateral", { field: `${text}.version` });
        refuse(kind, { [text]: () => ({}) }, "bad_collateral");
        refuse(kind, { [text]: changed({ tcbLevels: [] }) }, "tcb_not_accepted", { status: "unknown" });
      }
      refuse(kind, { tcbInfo: changed({ id: kind === "tdx" ? "SGX" : "TDX" }) }, "bad_collateral");
      refuse(kind, { qeIdentity: changed({ id: kind === "tdx" ? "QE" : "TD_QE" }) }, "bad_collateral");
    });

    it("comes from Intel's quoting enclave, up to date", () => {
      refuse(kind, { qeReport: { 16: [1] } }, "wrong_quoting_enclave");
      refuse(kind, { qeReport: { 48: [0x17] } }, "wrong_quoting_enclave");
      refuse(kind, { qeReport: { 128: [1] } }, "wrong_quoting_enclave");
      refuse(kind, { qeReport: { 256: [3] } }, "wrong_quoting_enclave");
      refuse(kind, { qeReport: { 258: [3] } }, "tcb_not_accepted", { part: "quoting enclave", status: "OutOfDate" });
      refuse(kind, { qeReport: { 258: [1] } }, "tcb_not_accepted", { part: "quoting enclave", status: "unknown" });
    });

    it("comes from a machine that the list is of and that is up to date by it", () => {
      refuse(kind, { platform: { fmspc: "b0c06f000001" } }, "wrong_platform");
      refuse(kind, { platform: { pceId: "0001" } }, "wrong_platform");
      refuse(kind, { platform: { pceSvn: 10 } }, "tcb_not_accepted", { part: "platform", status: "OutOfDate" });
      refuse(kind, { platform: { components: [3, 5, 2] } }, "tcb_not_accepted", { status: "OutOfDate" });
      refuse(kind, { platform: { components: [2, 5, 2] } }, "tcb_not_accepted", { status: "unknown" });
      refuse(kind, { platform: { pceSvn: 4 } }, "tcb_not_accepted", { status: "unknown" });
    });
  });
}

describe("A document of kind tdx", () => {
  it("is refused where the guest can be debugged", () => {
    for (const bit of [0x01, 0x02, 0x80]) refuse("tdx", { signed: { [HEADER + 120]: [bit] } }, "debug_mode");
  });

  it("comes from a module of Intel's that is up to date", () => {
    refuse("tdx", { signed: { [HEADER + 64]: [1] } }, "wrong_platform");
    refuse("tdx", { signed: { [HEADER + 112]: [1] } }, "wrong_platform");
    refuse("tdx", { signed: { [HEADER + 1]: [2] } }, "wrong_platform", { module: "TDX_02" });
    refuse("tdx", { signed: { [HEADER]: [3] } }, "tcb_not_accepted", { part: "module", status: "OutOfDate" });
    refuse("tdx", { signed: { [HEADER]: [1] } }, "tcb_not_accepted", { part: "module", status: "unknown" });
    refuse("tdx", { signed: { [HEADER + 2]: [2] } }, "tcb_not_accepted", { part: "platform", status: "OutOfDate" });
    // The first version has no identity of its own: its number is the first of the platform's components.
    accept("tdx", { signed: { [HEADER]: [5, 0] } });
    refuse("tdx", { signed: { [HEADER]: [4, 0] } }, "tcb_not_accepted", { part: "platform", status: "OutOfDate" });
  });

  it("is measured by everything that says what runs", () => {
    const { measurement } = accept("tdx");
    for (const position of [121, 128, 136, 184, 232, 280, 328, 376, 424, 472, 519]) {
      expect(accept("tdx", { signed: { [HEADER + position]: [0x55] } }).measurement).not.to.equal(measurement);
    }
  });
});

describe("A document of kind sgx", () => {
  it("is refused where the enclave can be debugged, or was not initialised", () => {
    refuse("sgx", { signed: { [HEADER + 48]: [0x07] } }, "debug_mode");
    refuse("sgx", { signed: { [HEADER + 48]: [0x04] } }, "malformed", { field: "attributes" });
  });

  it("is measured by code, configuration and flags", () => {
    const { measurement } = accept("sgx");
    for (const position of [16, 49, 64, 95, 192, 255, 260]) {
      expect(accept("sgx", { signed: { [HEADER + position]: [0x55] } }).measurement).not.to.equal(measurement);
    }
    expect(accept("sgx", { signed: { 0: [4, 0] } }).measurement).to.equal(measurement);
  });
});

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000", "");
}
