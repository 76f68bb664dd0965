import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { EvidenceRefusal } from "#attestation/refusedEvidence.ts";
import { accepted, expectRefusal } from "./expectRefusal.ts";
import { readNitroDocument, readRealDocuments, realRoots } from "./realDocuments.ts";

const folder = process.env["OPG_FIXTURES"];

describe("Documents of real platforms", () => {
  if (!folder) {
    it("are not there: OPG_FIXTURES names no folder, so tests that need them are skipped");
    return;
  }

  for (const { name, kind, document, options } of readRealDocuments(folder)) {
    describe(`the ${name}`, () => {
      const refused = (now: number, reason: EvidenceRefusal) =>
        expectRefusal(kind, document, { ...options, now }, reason);

      it("holds at its own time", () => {
        expect(accepted(kind, document, options)).to.include({ kind });
      });

      it("does not hold today", () => refused(Math.floor(Date.now() / 1000), "certificate_expired"));

      it("does not hold before its certificates", () =>
        refused(options.now - 365 * 24 * 3600, "certificate_not_valid_yet"));

      it("does not hold under another root", () => {
        const others = ["00".repeat(32)];
        const minimumTcb = { bootLoader: 0, tee: 0, snp: 0, microcode: 0 };
        const roots = { nitro: others, tdx: others, "sev-snp": { roots: others, minimumTcb } };
        expectRefusal(kind, document, { ...options, roots }, "wrong_root");
      });
    });
  }

  it("of AWS hold as they were made, from 300 seconds after on no more", () => {
    for (const [name, timestamp] of [
      ["attestation-2022-09-15", 1_663_263_808],
      ["attestation-2026-02-12", 1_770_918_962],
    ] as const) {
      const document = readNitroDocument(join(folder, "nitro"), name);
      const roots = { nitro: [realRoots.aws] };
      expect(accepted("nitro", document, { now: timestamp, roots })).to.include({ timestamp });
      accepted("nitro", document, { now: timestamp + 300, roots });
      expectRefusal("nitro", document, { now: timestamp + 301, roots }, "stale");
    }
  });

  it("of AWS hang below the certificate that AWS hands out", () => {
    const root = new X509Certificate(readFileSync(join(folder, "nitro", "aws-nitro-root-g1.pem")));
    expect(root.fingerprint256.replaceAll(":", "").toLowerCase()).to.equal(realRoots.aws);
  });
});
