import { expect } from "chai";
import { type CallReverted, submitCall } from "#chain/submitCall.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { domainIn } from "#protocol/network.ts";
import { nodeListingJson } from "#protocol/nodeListing.ts";
import { taskIdOf } from "#protocol/task.ts";
import { until } from "./chainControl.ts";
import { type Journey, leastDaemons, refusalOf, startJourney } from "./journeyNetwork.ts";
import { askOffer, type Offered, payWith, signedHeader } from "./rawPayment.ts";

const WINDOW_SECONDS = 60;

describe("a node that vanishes before its result", function () {
  this.timeout(120_000);
  let journey: Journey;
  let offer: Offered;
  let taskId: string;
  let balanceBefore: bigint;

  before(async () => {
    journey = await startJourney({
      daemons: leastDaemons,
      programs: { "node-1": "test/integration/programs/slowNode.ts" },
      env: { "node-1": { OPG_TEST_RUN_SECONDS: "3600" } },
    });
    balanceBefore = await journey.opg.balanceOf(journey.payer.address);
    offer = await askOffer(journey);
    taskId = taskIdOf(offer.task, domainIn(journey.local.network, "taskEscrow"));
  });
  after(() => journey.stop());

  it("leaves the caller with an error that names the task", async () => {
    const header = await signedHeader(offer, journey.payer);
    const answering = payWith(journey, offer.body, header);
    await until(async () => (await journey.taskEscrow.lockOf(taskId)).status === "open");
    await journey.local.daemons.get("node-1")?.kill();
    const { status, content } = await answering;
    expect(status).to.be.oneOf([502, 503, 504]);
    expect(JSON.stringify(content)).to.include(taskId);
  });

  it("is not remembered by a node that starts again: it has another identity", async () => {
    await journey.local.start("node-1");
    const info = await fetch(`${journey.local.network.gateway}/v1/tasks/${taskId}`);
    const trail = (await info.json()) as { state: string; node: { address: string } };
    expect(trail.state).to.equal("released");
    expect(trail.node.address).to.equal(offer.task.node);
  });

  it("is offered to nobody any more, and the node that started again is", async () => {
    const { gateway } = journey.local.network;
    const listed = async (address: string) =>
      nodeListingJson.parse(await (await fetch(`${gateway}/v1/nodes/${address}`)).json());
    const next = async () => (await askOffer(journey).catch(() => undefined))?.task.node;
    await until(async () => (await next()) !== undefined);
    const named = await next();
    expect(named).not.to.equal(offer.task.node);
    expect((await listed(offer.task.node)).measures.answers).to.equal(false);
    expect((await listed(named ?? "")).measures.answers).to.equal(true);
  });

  it("cannot be refunded before deadline and window have passed", async () => {
    const { taskEscrow, provider } = journey;
    const stranger = localAccount("governor").connect(provider);
    const refusal = await submitCall(stranger, taskEscrow.populateRefund(offer.task)).catch((error: unknown) => error);
    expect((refusal as CallReverted).revert?.name).to.equal("WindowStillOpen");
  });

  it("is refunded after that by anyone, without facilitator, node or verifiers", async () => {
    const { taskEscrow, provider, opg, payer, local } = journey;
    for (const daemon of local.daemons.values()) await daemon.kill();
    const late = offer.task.deadline + WINDOW_SECONDS + 1;
    await provider.send("evm_setNextBlockTimestamp", [late]);
    await until(async () => ((await provider.getBlock("latest"))?.timestamp ?? 0) >= late);
    const task = await taskEscrow.taskOf(taskId, { fromBlock: local.network.deploymentBlock });
    expect(task).to.deep.equal(offer.task);
    await submitCall(localAccount("governor").connect(provider), taskEscrow.populateRefund(offer.task));
    expect(await opg.balanceOf(payer.address)).to.equal(balanceBefore);
    expect((await taskEscrow.lockOf(taskId)).status).to.equal("closed");
  });

  it("is then known as refunded to a facilitator that comes back", async () => {
    await Promise.all([journey.local.start("facilitator"), journey.local.start("gateway")]);
    const trail = await journey.ended(taskId);
    expect(trail.state).to.equal("refunded");
    expect(trail.refund).to.equal(trail.maxAmount);
    expect((await refusalOf(journey.client.trail(`0x${"00".repeat(32)}`))).code).to.equal("unknown_task");
  });
});
