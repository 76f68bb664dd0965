import { expect } from "chai";
import { type Trail, trailProblems } from "#protocol/settlement.ts";
import { awaitNodes, startAll } from "#scripts/network/readiness.ts";
import { until } from "./chainControl.ts";
import { allDaemons, type Journey, refusalOf, startJourney } from "./journeyNetwork.ts";

describe("a node whose executor is altered", function () {
  this.timeout(120_000);
  let journey: Journey;
  let trail: Trail;
  let balanceBefore: bigint;

  before(async () => {
    journey = await startJourney({
      daemons: allDaemons.filter((name) => name !== "node-2"),
      programs: { "node-1": "scripts/demonstration/dishonestNode.ts" },
    });
    const { client, inputs, versionId, opg, payer } = journey;
    balanceBefore = await opg.balanceOf(payer.address);
    const refusal = await refusalOf(client.infer({ model: versionId, inputs }));
    expect(refusal.code).to.equal("result_refused");
    const taskId = String(refusal.values["taskId"]);
    await journey.ended(taskId);
    // Two refusals end the task; the third arrives in its own time.
    await until(async () => (await client.trail(taskId)).verdicts.length === 3);
    trail = await client.trail(taskId);
  });
  after(() => journey.stop());

  it("is refused by three verifiers independently, each with its reason", () => {
    expect(trail.verdicts).to.have.length(3);
    for (const { agrees, reason } of trail.verdicts) {
      expect(agrees).to.equal(false);
      expect(reason).to.equal("response_mismatch");
    }
    expect(new Set(trail.verdicts.map(({ verifier }) => verifier)).size).to.equal(3);
  });

  it("is not paid: the payer has everything back at once", async () => {
    expect(trail.state).to.equal("refunded");
    expect(trail.charge).to.equal("0");
    expect(trail.refund).to.equal(trail.maxAmount);
    expect(trail.splits).to.deep.equal([]);
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["open", "refuse"]);
    expect(trailProblems(trail)).to.deep.equal([]);
    expect(await journey.opg.balanceOf(journey.payer.address)).to.equal(balanceBefore);
  });

  it("does not stop the network: an honest node answers the same request", async () => {
    const { local, client, versionId, inputs } = journey;
    await startAll(local, ["node-2"]);
    await awaitNodes(local, versionId, 2);
    await local.daemons.get("node-1")?.kill();
    const { taskId } = await client.infer({ model: versionId, inputs });
    expect((await journey.ended(taskId)).state).to.equal("settled");
  });
});
