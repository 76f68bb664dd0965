import { expect } from "chai";
import { makeSubjects } from "#scripts/fuzz/subjects.ts";
import { tryMutant } from "#scripts/fuzz/tryMutant.ts";
import { verifyEvidence } from "#attestation/verifyEvidence.ts";

const MUTANTS = 1_000;
const SEED = 1;

describe("Mutants of evidence", () => {
  const subjects = makeSubjects(process.env["OPG_FIXTURES"]);

  it("come of documents that hold", () => {
    for (const { name, kind, document, options } of subjects) {
      expect(verifyEvidence(kind, document, options).accepted, name).to.equal(true);
    }
  });

  it("are refused, all of a thousand, and none of them crashes, hangs or fills the memory", function () {
    this.timeout(60_000);
    const before = process.memoryUsage().rss;
    for (let index = 0; index < MUTANTS; index++) expect(tryMutant(subjects, SEED, index)).to.equal(undefined);
    expect(process.memoryUsage().rss - before).to.be.below(400e6);
  });
});
