import { expect } from "chai";
import type { DcapDocument, DcapKind } from "#attestation/dcap/dcapDocument.ts";
import { makeDcapDocument } from "#attestation/dcap/makeDcapDocument.ts";
import { encodeDeterministic } from "#attestation/readCbor.ts";
import { fingerprint } from "#attestation/x509/checkChain.ts";
import { OpgError } from "#protocol/errors.ts";
import { makeDcapParts, now } from "#test/attestation/documents/dcapDocument.ts";
import { accepted } from "#test/attestation/expectRefusal.ts";

const u16 = (value: number): Buffer => Buffer.from([value & 0xff, value >> 8]);
const u32 = (value: number): Buffer => Buffer.concat([u16(value & 0xffff), u16(value >>> 16)]);
const data = (kind: number, content: Uint8Array): Buffer => Buffer.concat([u16(kind), u32(content.length), content]);

const pem = (certificate: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(certificate).toString("base64")}\n-----END CERTIFICATE-----\n`;

/** A quote as a machine gives it: version 3 flat, version 4 with the quoting enclave's part inside. */
function quoteOf({ quote }: DcapDocument, chainKind = 5): Buffer {
  const chain = Buffer.from(`${quote.certificates.toReversed().map(pem).join("")}\0`);
  const certified = Buffer.concat([
    ...[quote.qeReport, quote.qeReportSignature, u16(quote.qeAuthData.length), quote.qeAuthData],
    data(chainKind, chain),
  ]);
  const isFlat = quote.signed[0] === 3;
  const signatures = Buffer.concat([quote.signature, quote.attestationKey, isFlat ? certified : data(6, certified)]);
  return Buffer.concat([quote.signed, u32(signatures.length), signatures]);
}

function collateralOf({ collateral }: DcapDocument) {
  return {
    root_ca_crl: Buffer.from(collateral.rootRevocations),
    pck_crl: Buffer.from(collateral.pckRevocations),
    tcb_info_issuer_chain: pem(collateral.signer),
    tcb_info: Buffer.from(collateral.tcbInfo).toString(),
    tcb_info_signature: Buffer.from(collateral.tcbInfoSignature),
    qe_identity_issuer_chain: pem(collateral.signer),
    qe_identity: Buffer.from(collateral.qeIdentity).toString(),
    qe_identity_signature: Buffer.from(collateral.qeIdentitySignature),
  };
}

function reasonOf(make: () => Uint8Array): unknown {
  try {
    make();
  } catch (error) {
    if (error instanceof OpgError) return error.values["reason"];
    throw error;
  }
  return undefined;
}

describe("makeDcapDocument", () => {
  const variants: readonly [DcapKind, number][] = [
    ["sgx", 3],
    ["sgx", 4],
    ["tdx", 4],
  ];
  for (const [kind, version] of variants) {
    it(`joins a ${kind} quote of version ${version} and its collateral, whatever zeros follow`, () => {
      const parts = makeDcapParts(kind, { signed: { 0: [version, 0] } });
      const whole = quoteOf(parts);
      for (const zeros of [0, 1, 70]) {
        const made = makeDcapDocument(kind, Buffer.concat([whole, Buffer.alloc(zeros)]), collateralOf(parts));
        expect(Buffer.compare(made, encodeDeterministic(parts))).to.equal(0);
      }
    });
  }

  it("writes every signature in its lower form", () => {
    for (let count = 0; count < 8; count++) {
      const issued = makeDcapParts("tdx", { asIssued: true });
      const made = makeDcapDocument("tdx", quoteOf(issued), collateralOf(issued));
      const roots = { tdx: [fingerprint(issued.quote.certificates[0]!)] };
      accepted("tdx", made, { now, roots, singleForm: true });
    }
  });

  it("refuses what is no quote that it can take apart", () => {
    const parts = makeDcapParts("tdx");
    const [quote, collateral] = [quoteOf(parts), collateralOf(parts)];
    const made = (changed: Buffer) => reasonOf(() => makeDcapDocument("tdx", changed, collateral));
    for (const length of [0, 47, 600, 640, quote.length - 1])
      expect(made(quote.subarray(0, length))).to.equal("malformed");
    expect(made(Buffer.concat([quote, Buffer.from([1])]))).to.equal("malformed");
    expect(made(quoteOf(parts, 3))).to.equal("unsupported_version");
    const noChain = quoteOf({ ...parts, quote: { ...parts.quote, certificates: [] } });
    expect(made(noChain)).to.equal("malformed");
    const qe_identity_issuer_chain = pem(Buffer.from("another signer"));
    expect(reasonOf(() => makeDcapDocument("tdx", quote, { ...collateral, qe_identity_issuer_chain }))).to.equal(
      "unsupported_version",
    );
  });
});
