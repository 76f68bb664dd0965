import { expect } from "chai";
import { getBytes, id, Wallet } from "ethers";
import { checkEvidence, type EvidenceExpectations } from "#attestation/checkEvidence.ts";
import { reportDataOf } from "#attestation/reportData.ts";
import { OpgError } from "#protocol/errors.ts";
import { makeDcap, now } from "./documents/dcapDocument.ts";
import { makeSnp } from "./documents/snpDocument.ts";

const claims = { nonce: id("nonce"), binding: id("binding"), node: new Wallet(id("enclave")).address };
const reportData = [...getBytes(reportDataOf(claims))];
const minimumTcb = { bootLoader: 0, tee: 0, snp: 0, microcode: 0 };

/** Documents whose platform signs 64 bytes and nothing else of the enclave's. */
const documents = {
  tdx: () => makeDcap("tdx", { signed: { [48 + 520]: reportData } }),
  sgx: () => makeDcap("sgx", { signed: { [48 + 320]: reportData } }),
  "sev-snp": () => makeSnp({ report: { 0x50: reportData } }),
} as const;

describe("Evidence by report data", () => {
  for (const kind of ["tdx", "sgx", "sev-snp"] as const) {
    it(`of kind ${kind} is admitted for its own binding, key and challenge only`, async () => {
      const { document, roots } = documents[kind]();
      const expected: EvidenceExpectations = {
        ...claims,
        now,
        roots: kind === "sev-snp" ? { "sev-snp": { roots, minimumTcb } } : { [kind]: roots },
        approvedMeasurement: () => true,
      };
      const reasonOf = (changed: Partial<EvidenceExpectations>): Promise<unknown> =>
        checkEvidence(document, { ...expected, ...changed }).then(
          ({ kind: found }) => found,
          (error: unknown) => (error instanceof OpgError ? error.values["reason"] : error),
        );
      expect(await reasonOf({})).to.equal(kind);
      expect(await reasonOf({ binding: id("other") })).to.equal("wrong_binding");
      expect(await reasonOf({ nonce: id("other") })).to.equal("wrong_nonce");
      expect(await reasonOf({ node: new Wallet(id("other")).address })).to.equal("wrong_nonce");
      expect(await reasonOf({ approvedMeasurement: () => false })).to.equal("measurement_not_approved");
      expect(await reasonOf({ roots: {} })).to.equal("kind_not_allowed");
    });
  }
});
