import { expect } from "chai";
import { reportText } from "#scripts/chaos/reportText.ts";
import { runTrials } from "#scripts/chaos/runTrials.ts";

/** Together they have every kind of fault in them. */
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

describe("faults at random moments", function () {
  this.timeout(300_000);

  it(`lose nothing, double nothing and leave nothing open (seeds ${SEEDS.join(", ")})`, async () => {
    const failed: string[] = [];
    let trials = 0;
    const never = new AbortController().signal;
    await runTrials(
      SEEDS,
      (report) => {
        trials += 1;
        if (report.findings.length > 0) failed.push(reportText(report));
      },
      never,
    );
    expect(failed.join("\n")).to.equal("");
    expect(trials).to.equal(SEEDS.length);
  });
});
