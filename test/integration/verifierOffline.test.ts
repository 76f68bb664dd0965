import { expect } from "chai";
import { agreesAgain, type Journey, refusalOf } from "./journeyNetwork.ts";
import { sharedJourney } from "./sharedJourney.ts";

describe("verifiers that are offline", function () {
  this.timeout(120_000);
  let journey: Journey;

  before(async () => {
    journey = await sharedJourney();
  });

  it("do not stop the network while a threshold is left", async () => {
    const { local, client, versionId, inputs } = journey;
    await local.daemons.get("verifier-3")?.kill();
    const { taskId } = await client.infer({ model: versionId, inputs });
    const trail = await journey.ended(taskId);
    expect(trail.state).to.equal("settled");
    expect(trail.verdicts.map(({ agrees }) => agrees)).to.deep.equal([true, true]);
  });

  it("leave a result uncertified below the threshold: no outputs, no charge", async () => {
    const { local, client, versionId, inputs } = journey;
    await local.daemons.get("verifier-2")?.kill();
    const refusal = await refusalOf(client.infer({ model: versionId, inputs }));
    expect(refusal.code).to.equal("certificate_incomplete");
    const trail = await client.trail(String(refusal.values["taskId"]));
    expect(trail.state).to.equal("released");
    expect(trail.charge).to.equal("0");
  });

  it("take part again when they come back, with the same key and the same records", async () => {
    const { local } = journey;
    await Promise.all([local.start("verifier-2"), local.start("verifier-3")]);
    await agreesAgain(journey, "verifier-2");
    await agreesAgain(journey, "verifier-3");
  });
});
