import { expect } from "chai";
import type { EvidenceRefusal } from "#attestation/refusedEvidence.ts";
import { withLowSignature } from "#attestation/x509/lowerForm.ts";
import { accepted, expectRefusal } from "#test/attestation/expectRefusal.ts";
import { der, sequence } from "#test/attestation/documents/derWriter.ts";
import {
  basicConstraints,
  extension,
  issueCertificate,
  keyUsage,
  makeKey,
  type Template,
  usage,
} from "#test/attestation/documents/issueCertificate.ts";
import {
  keys,
  makeChain,
  makeNitroDocument,
  names,
  type NitroChanges,
  now,
  stranger,
  template,
} from "#test/attestation/documents/nitroDocument.ts";

const leaf = names.length - 1;
const authorities = names.slice(0, -1).map((_, place) => place);
const everyone = [...authorities, leaf];
const certifies = keyUsage(usage.certify);
const signs = keyUsage(usage.sign);

function refuse(changes: NitroChanges, reason: EvidenceRefusal, label = ""): void {
  const { document, roots } = makeNitroDocument(changes);
  expect(() => expectRefusal("nitro", document, { now, roots: { nitro: roots } }, reason), label).not.to.throw();
}
function accept(changes: NitroChanges): void {
  const { document, roots } = makeNitroDocument(changes);
  accepted("nitro", document, { now, roots: { nitro: roots }, singleForm: true });
}
const at = (place: number, changed: Partial<Template>): NitroChanges => ({ certificates: { [place]: changed } });
/** Replaces a certificate after it was signed. */
const replaced = (place: number, change: (certificate: Buffer) => Uint8Array): NitroChanges => ({
  chain: (issued) => issued.map((certificate, index) => (index === place ? change(certificate) : certificate)),
});

describe("The certificates of a document in Nitro's format", () => {
  it("lead to the pinned root, first in the bundle", () => {
    const { document, roots } = makeNitroDocument();
    for (const other of [[], ["00".repeat(32)], ["fe"]]) {
      expectRefusal("nitro", document, { now, roots: { nitro: other } }, "wrong_root");
    }
    for (const spelled of [roots[0]?.toUpperCase() ?? "", `0x${roots[0]}`]) {
      accepted("nitro", document, { now, roots: { nitro: ["00".repeat(32), spelled] } });
    }
    expectRefusal("nitro", document, { now, roots: {} }, "kind_not_allowed");
    expectRefusal("simulated", document, { now, roots: { nitro: roots } }, "kind_not_allowed");
    refuse({ chain: (issued) => [...issued.slice(1, -1), ...issued.slice(0, 1), ...issued.slice(-1)] }, "wrong_root");
    refuse({ chain: (issued) => issued.slice(1) }, "wrong_root");
  });

  it("are not those of somebody who names himself as the root", () => {
    const imposter = issueCertificate({ ...template(0), key: stranger, signer: stranger });
    refuse({ chain: ([, ...rest]) => [imposter, ...rest] }, "wrong_root");
    const below = issueCertificate({ ...template(1), signer: stranger });
    refuse({ chain: ([root, , ...rest]) => [root as Buffer, below, ...rest] }, "bad_certificate_signature");
  });

  for (const place of everyone) {
    describe(`the ${names[place]}'s`, () => {
      it("is valid at the time given, to the second", () => {
        refuse(at(place, { notBefore: now + 1 }), "certificate_not_valid_yet");
        accept(at(place, { notBefore: now }));
        refuse(at(place, { notAfter: now - 1 }), "certificate_expired");
        accept(at(place, { notAfter: now }));
      });

      it("names no critical extension that is not understood, none twice, and says version 3", () => {
        const { extensions } = template(place);
        const unknown = (critical: boolean) => ({
          extensions: [...extensions, extension("2a03", sequence(), critical)],
        });
        refuse(at(place, unknown(true)), "unknown_critical_extension");
        accept(at(place, unknown(false)));
        refuse(at(place, { extensions: [...extensions, ...extensions.slice(0, 1)] }), "malformed_certificate");
        refuse(at(place, { version: 0 }), "malformed_certificate");
        refuse(at(place, { innerAlgorithm: "300a06082a8648ce3d040302" }), "malformed_certificate");
      });

      it("has a key on P-384", () => {
        const { key } = { key: makeKey("ecdsa-p256") };
        const publicKey = key.publicKey.export({ type: "spki", format: "der" });
        refuse(at(place, { publicKey }), "unsupported_algorithm");
        const offCurve = Buffer.from(template(place).key.publicKey.export({ type: "spki", format: "der" }));
        offCurve.writeUInt8(offCurve.readUInt8(119) ^ 1, 119);
        refuse(at(place, { publicKey: offCurve }), "unsupported_algorithm");
      });

      if (place === 0) return;

      it("is signed by the one before it, which its issuer names, by ECDSA with SHA-384", () => {
        refuse(at(place, { signer: stranger }), "bad_certificate_signature");
        refuse(at(place, { issuer: "somebody else" }), "broken_chain");
        refuse(at(place, { scheme: "ecdsa-p256" }), "unsupported_algorithm");
      });
    });
  }

  for (const place of authorities) {
    it(`that certify may certify: the ${names[place]}'s`, () => {
      const below = authorities.length - 1 - place;
      for (const extensions of [
        [],
        [certifies],
        [basicConstraints(false), certifies],
        [basicConstraints(true)],
        [basicConstraints(true), signs],
      ]) {
        refuse(at(place, { extensions }), "not_an_authority");
      }
      accept(at(place, { extensions: [basicConstraints(true, below), certifies] }));
      accept(at(place, { extensions: [basicConstraints(true), certifies] }));
      if (below > 0) refuse(at(place, { extensions: [basicConstraints(true, below - 1), certifies] }), "path_too_long");
    });
  }

  it("end in one that signs documents and does not certify", () => {
    for (const extensions of [
      [],
      [basicConstraints(false)],
      [basicConstraints(false), certifies],
      [basicConstraints(true), signs],
      [basicConstraints(true, 0), keyUsage(usage.sign | usage.certify)],
    ]) {
      refuse(at(leaf, { extensions }), "not_a_leaf");
    }
    accept(at(leaf, { extensions: [signs] }));
  });

  it("cannot be made longer by an enclave that certifies another", () => {
    const another = issueCertificate({
      ...template(leaf),
      subject: "another enclave",
      issuer: names[leaf] ?? "",
      key: stranger,
      signer: keys[leaf] as Template["key"],
    });
    const longer: NitroChanges = { chain: (issued) => [...issued, another], signer: stranger };
    refuse(longer, "path_too_long");
    const unlimited = { extensions: [basicConstraints(true), certifies] };
    const certificates = Object.fromEntries(authorities.map((place) => [place, unlimited]));
    refuse({ ...longer, certificates }, "not_an_authority");
  });

  it("come whole and in order", () => {
    const unlimited = { extensions: [basicConstraints(true), certifies] };
    const certificates = Object.fromEntries(authorities.map((place) => [place, unlimited]));
    const ordered = (...order: number[]): NitroChanges => ({
      certificates,
      chain: (issued) => order.map((place) => issued[place] as Buffer),
    });
    accept(ordered(0, 1, 2, 3, 4));
    for (const order of [
      [0, 2, 1, 3, 4],
      [0, 1, 3, 2, 4],
      [0, 2, 3, 4],
      [0, 1, 2, 4],
      [0, 1, 1, 2, 3, 4],
      [0, 0, 1, 2, 3, 4],
      [0, 4],
    ]) {
      // The root issued itself, so its name follows itself; by signature and name a doubled root is as good as one.
      if (order[1] === 0) accept(ordered(...order));
      else refuse(ordered(...order), "broken_chain", order.join());
    }
    refuse(ordered(0, 0, 0, 0, 0, 0, 1, 2, 3, 4), "malformed");
  });

  it("are refused in any form but strict DER", () => {
    for (const place of everyone.slice(1)) {
      refuse(
        replaced(place, (certificate) => Buffer.concat([certificate, Buffer.from([0])])),
        "malformed_certificate",
      );
      refuse(
        replaced(place, (certificate) => certificate.subarray(0, -1)),
        "malformed_certificate",
      );
      refuse(replaced(place, longerLength), "malformed_certificate");
      refuse(
        replaced(place, ([, ...rest]) => Buffer.from([0x31, ...rest])),
        "malformed_certificate",
      );
      refuse(
        replaced(place, () => Buffer.from([0x30, 0x80, 0, 0])),
        "malformed_certificate",
      );
      refuse(
        replaced(place, () => Buffer.from([0x1f, 0x81, 0])),
        "malformed_certificate",
      );
    }
    const serials = [
      der(0x02),
      der(0x02, Buffer.from([0x80])),
      der(0x02, Buffer.from([0, 1])),
      der(0x02, Buffer.alloc(22, 1)),
    ];
    for (const serial of serials) {
      refuse(
        replaced(1, (certificate) => withSerial(certificate, serial)),
        "malformed_certificate",
      );
    }
  });

  it("are refused with constraints, usage or times that DER cannot spell", () => {
    const constraints = (...parts: Buffer[]) => extension("551d13", sequence(...parts), true);
    for (const wrong of [
      constraints(der(0x01, Buffer.from([0x01]))),
      constraints(der(0x01, Buffer.from([0xff])), der(0x02, Buffer.from([0, 2]))),
      constraints(der(0x02, Buffer.from([2]))),
      constraints(der(0x01, Buffer.from([0xff])), der(0x02, Buffer.from([2])), der(0x02, Buffer.from([2]))),
      extension("551d13", Buffer.alloc(0), true),
    ]) {
      refuse(at(1, { extensions: [wrong, certifies] }), "malformed_certificate");
    }
    for (const content of [
      Buffer.from([0x03, 0x00]),
      Buffer.from([0x03, 0x02, 0x08, 0x04]),
      Buffer.from([0x04, 0x01, 0x04]),
    ]) {
      const extensions = [basicConstraints(true), extension("551d0f", content, true)];
      refuse(at(1, { extensions }), "malformed_certificate");
    }
    const spelledFalse = sequence(der(0x06, Buffer.from("2a03", "hex")), der(0x01, Buffer.from([0])), der(0x04));
    refuse(at(1, { extensions: [...template(1).extensions, spelledFalse] }), "malformed_certificate");
  });

  it("are signed by the document, so that not even the second form of their signatures passes", () => {
    const [, region] = makeChain();
    const low = withLowSignature(region as Buffer, "ecdsa-p384");
    const { document, roots } = makeNitroDocument({
      chain: (issued) => issued.map((certificate, place) => (place === 1 ? low : certificate)),
    });
    accepted("nitro", document, { now, roots: { nitro: roots } });
  });
});

/** The outer length, said in one byte more than needed. */
function longerLength(certificate: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x30, 0x83, 0]), certificate.subarray(2)]);
}

function withSerial(certificate: Buffer, serial: Buffer): Buffer {
  const properSerial = Buffer.from([0x02, 0x01, 101]);
  const at = certificate.indexOf(properSerial);
  const rest = Buffer.concat([certificate.subarray(8, at), serial, certificate.subarray(at + 3)]);
  // Only the reader is asked: the signature cannot hold.
  const body = rest.subarray(0, rest.length);
  const outer = certificate.subarray(0, 8);
  const grown = serial.length - properSerial.length;
  const lengths = Buffer.from(outer);
  lengths.writeUInt16BE(lengths.readUInt16BE(2) + grown, 2);
  lengths.writeUInt16BE(lengths.readUInt16BE(6) + grown, 6);
  return Buffer.concat([lengths, body]);
}
