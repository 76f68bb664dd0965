import { expect } from "chai";
import { networkText, trialText } from "#scripts/chaos/reportText.ts";
import { runTrials } from "#scripts/chaos/runTrials.ts";

/** Together they have every kind of fault in them. */
const SEEDS = [3, 4, 7, 12];

describe("faults at random moments", function () {
  this.timeout(300_000);

  it(`lose nothing, double nothing and leave nothing open (seeds ${SEEDS.join(", ")})`, async () => {
    const failed: string[] = [];
    let trials = 0;
    await runTrials(SEEDS, {
      trial: (report) => {
        trials += 1;
        if (report.findings.length > 0) failed.push(trialText(report));
      },
      network: (findings, logs) => {
        if (findings.length > 0) failed.push(networkText(findings, logs));
      },
    });
    expect(failed.join("\n")).to.equal("");
    expect(trials).to.equal(SEEDS.length);
  });
});
