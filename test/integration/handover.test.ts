import { expect } from "chai";
import { domainIn } from "#protocol/network.ts";
import { taskIdOf } from "#protocol/task.ts";
import { passSeconds, until } from "./chainControl.ts";
import { handOver, verifierWallets } from "./handOver.ts";
import { type Journey, startJourney } from "./journeyNetwork.ts";
import { askOffer, payWith, signedHeader } from "./rawPayment.ts";

const RUN_SECONDS = 4;

describe("the handover of the verifier set", function () {
  this.timeout(180_000);
  let journey: Journey;
  const [first, second, third] = verifierWallets.map(({ address }) => address) as [string, string, string];

  before(async () => {
    journey = await startJourney({
      daemons: ["hub", "facilitator", "gateway", "verifier-1", "verifier-2", "verifier-3", "node-1"],
      programs: { "node-1": "test/integration/programs/slowNode.ts" },
      env: { "node-1": { OPG_TEST_RUN_SECONDS: String(RUN_SECONDS) } },
    });
  });
  after(() => journey.stop());

  it("lets a task in flight be certified and settled", async () => {
    const { payer, taskEscrow, verifierSet, local } = journey;
    const offer = await askOffer(journey);
    const taskId = taskIdOf(offer.task, domainIn(local.network, "taskEscrow"));
    const answering = payWith(journey, offer.body, await signedHeader(offer, payer));
    await until(async () => (await taskEscrow.lockOf(taskId)).status === "open");
    await handOver(journey, [first, second], 2);
    expect(await verifierSet.currentEpoch()).to.equal(2n);

    expect((await answering).status).to.equal(200);
    const trail = await journey.ended(taskId);
    expect(trail.state).to.equal("settled");
    expect(trail.verdicts.length).to.be.greaterThanOrEqual(2);
  });

  it("certifies the next task by the next set alone", async () => {
    const { client, inputs, versionId } = journey;
    const { taskId } = await client.infer({ model: versionId, inputs });
    const trail = await journey.ended(taskId);
    expect(trail.state).to.equal("settled");
    expect(trail.verdicts.map(({ verifier }) => verifier)).to.have.members([first, second]);
  });

  it("lets the verifiers of an ended epoch divide its pool by themselves, by how often each was in time and right", async () => {
    const { settlement, verifierSet, taskEscrow } = journey;
    const ended = 2n;
    const { verifierAmount, settledTasks } = await settlement.poolOf(ended);
    expect(settledTasks).to.be.greaterThan(0n);
    await handOver(journey, [first, second, third], 2);
    expect(await verifierSet.currentEpoch()).to.equal(3n);
    await passSeconds(journey.provider, (await verifierSet.graceSeconds()) + 1);
    await until(async () => (await settlement.poolOf(ended)).settledTasks === 0n);
    const earned = await Promise.all([first, second, third].map((address) => taskEscrow.earningsOf(address)));
    expect(earned).to.deep.equal([verifierAmount / 2n, verifierAmount / 2n, 0n]);
  });
});
