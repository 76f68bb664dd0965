import { expect } from "chai";
import { id } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { splitCharge, trailProblems } from "#protocol/settlement.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, payFor, someRequest } from "./paidRequest.ts";
import { parseTrail, settleOne } from "./settledTask.ts";

describe("the trail of a task", () => {
  let fixture: GatewayFixture;

  beforeEach(async () => {
    fixture = await gatewayFixture();
  });

  afterEach(() => fixture.stop());

  it("tells of a settled task who paid, what ran, who checked, and where every token went", async () => {
    const { taskId, receipt } = await settleOne(fixture);
    const trail = parseTrail(await (await fixture.app.request(`/v1/tasks/${taskId}`)).json());
    const { wallets, version, network } = fixture;
    expect(trail).to.deep.include({
      taskId,
      state: "settled",
      payer: wallets.payer.address,
      facilitator: wallets.facilitator.address,
      maxAmount: "1536",
      charge: "1096",
      refund: "440",
      model: {
        name: "doubling",
        version: "1",
        versionId: version.versionId,
        digest: version.contentDigest,
        storageId: version.storageId,
      },
      response: receipt.result.response,
      verdicts: wallets.verifiers.slice(0, 2).map(({ address }) => ({ verifier: address, agrees: true })),
    });
    expect(trail.node).to.deep.equal({
      address: receipt.task.node,
      operator: wallets.operator.address,
      payout: wallets.operator.address,
    });
    const { node, verifiers, treasury } = splitCharge(1096n, { verifierBps: 1_000n, treasuryBps: 500n });
    expect(trail.splits).to.deep.equal([
      { role: "node", to: wallets.operator.address, amount: node.toString() },
      { role: "verifiers", to: network.contracts.settlement, amount: verifiers.toString() },
      { role: "treasury", to: wallets.treasury.address, amount: treasury.toString() },
    ]);
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["open", "settle"]);
    expect(trail.transactions.at(1)?.hash).to.equal(receipt.transaction);
    expect(
      trail.transactions.every(({ gasUsed, chainId }) => BigInt(gasUsed) > 21_000n && chainId === 31_337),
    ).to.equal(true);
    expect(trailProblems(trail)).to.deep.equal([]);
    expect(trail).not.to.have.property("output");
  });

  it("shows a refund that somebody else sent", async () => {
    const { task, taskId } = await openOne(fixture);
    await fixture.connection.networkHelpers.time.increaseTo(task.deadline + 61);
    const { hash } = await fixture.taskEscrow.connect(fixture.wallets.stranger).refund(task);
    const trail = parseTrail(await (await fixture.app.request(`/v1/tasks/${taskId}`)).json());
    expect(trail).to.include({ state: "refunded", charge: "0", refund: "1536", response: null });
    expect(trail.splits).to.deep.equal([]);
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["open", "refund"]);
    expect(trail.transactions.at(1)?.hash).to.equal(hash);
    expect(trailProblems(trail)).to.deep.equal([]);
  });

  it("is a page for people, whose parts link to each other, without a script", async () => {
    const { taskId, receipt } = await settleOne(fixture);
    const response = await fixture.app.request(`/tasks/${taskId}`);
    expect(response.headers.get("content-type")).to.match(/^text\/html/);
    const page = await response.text();
    for (const part of ["payer", "node", "model", "verifiers", "money", "transactions"]) {
      expect(page).to.contain(`id="${part}"`).and.to.contain(`href="#${part}"`);
    }
    expect(page).to.contain("0.000000000000001096 OPG").and.to.contain("(1096 atomic units)");
    expect(page)
      .to.contain(receipt.transaction ?? "none")
      .and.to.contain(`href="/v1/tasks/${taskId}"`);
    expect(page).not.to.match(/<script|does not add up/i);
  });

  it("is a page that says so when the task is unknown", async () => {
    const response = await fixture.app.request(`/tasks/${id("no task")}`);
    expect(response.status).to.equal(404);
    expect(await response.text()).to.contain("unknown_task");
  });

  it("is listed on the front page, with the models", async () => {
    const { taskId } = await settleOne(fixture);
    const page = await (await fixture.app.request("/")).text();
    expect(page).to.contain(`href="/tasks/${taskId}"`).and.to.contain(`href="/v1/models/${fixture.version.versionId}"`);
  });
});

/** A task whose money is locked and whose node never answers. */
async function openOne(fixture: GatewayFixture) {
  for (const node of fixture.nodes) node.failure = new OpgError("node_unavailable", "Gone.");
  const header = await payFor(fixture, await askOffer(fixture));
  const response = await infer(fixture, someRequest(fixture), header);
  const { error } = (await response.json()) as { error: { taskId: string } };
  const task = fixture.facilitator.taskOf(error.taskId);
  return { task, taskId: error.taskId };
}
