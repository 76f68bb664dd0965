import { readFileSync } from "node:fs";
import { expect } from "chai";
import { localAccount } from "#deploy/localAccounts.ts";
import { readLine } from "#execution/line/readLine.ts";
import { meterCharge } from "#protocol/meter.ts";
import { splitCharge, type Trail, trailProblems } from "#protocol/settlement.ts";
import { tensorBytes } from "#protocol/tensors.ts";
import { demonstrationModel } from "#scripts/network/readiness.ts";
import { until } from "./chainControl.ts";
import { type Journey, startJourney, verifierInfo } from "./journeyNetwork.ts";

const expectedText = (
  JSON.parse(readFileSync(new URL("../../examples/line/expected.json", import.meta.url), "utf8")) as { text: string }
).text;

describe("a request is paid, run, checked and settled", function () {
  this.timeout(120_000);
  let journey: Journey;
  let trail: Trail;
  let text: string;
  let balanceBefore: bigint;
  let expectedCharge: bigint;

  before(async () => {
    journey = await startJourney();
    const { client, wholeLine: inputs, versionId, payer, opg } = journey;
    balanceBefore = await opg.balanceOf(payer.address);
    const { taskId, outputs } = await client.infer({ model: versionId, inputs });
    text = (await readLine(outputs)).text;
    expectedCharge = meterCharge(demonstrationModel.meter, tensorBytes(inputs), tensorBytes(outputs));
    trail = await journey.ended(taskId);
  });
  after(() => journey.stop());

  it("answers with the text that the picture's maker drew", () => {
    expect(text).to.equal(expectedText);
  });

  it("charges what the meter gives and takes no more from the payer", async () => {
    expect(trail.state).to.equal("settled");
    expect(BigInt(trail.charge)).to.equal(expectedCharge);
    expect(await journey.opg.balanceOf(journey.payer.address)).to.equal(balanceBefore - expectedCharge);
  });

  it("divides the charge 85, 10 and 5 to node, verifiers and treasury", () => {
    const { node, verifiers, treasury } = splitCharge(expectedCharge, { verifierBps: 1_000n, treasuryBps: 500n });
    expect(trail.splits.map(({ role, amount }) => [role, BigInt(amount)])).to.deep.equal([
      ["node", node],
      ["verifiers", verifiers],
      ["treasury", treasury],
    ]);
    expect(trailProblems(trail)).to.deep.equal([]);
  });

  it("was checked by three verifiers that agree", async () => {
    const names = ["verifier-1", "verifier-2", "verifier-3"] as const;
    const known = (["verifier1", "verifier2", "verifier3"] as const).map((role) => localAccount(role).address);
    expect(trail.verdicts.every(({ agrees }) => agrees)).to.equal(true);
    expect(known).to.include.members(trail.verdicts.map(({ verifier }) => verifier));
    // A quorum is enough for the certificate, which waits for the third no longer than a moment.
    expect(trail.verdicts.length).to.be.greaterThanOrEqual(2);
    const infos = () => Promise.all(names.map((name) => verifierInfo(journey, name)));
    await until(async () => (await infos()).every(({ agreed }) => agreed > 0));
    expect((await infos()).map(({ verifier, agreed, refused }) => [verifier, agreed, refused])).to.deep.equal(
      known.map((verifier) => [verifier, 1, 0]),
    );
  });

  it("names the two transactions that locked and split the money, and they are on the chain", async () => {
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["open", "settle"]);
    for (const { hash, gasUsed } of trail.transactions) {
      const receipt = await journey.provider.getTransactionReceipt(hash);
      expect(receipt?.status).to.equal(1);
      expect(receipt?.gasUsed.toString()).to.equal(gasUsed);
    }
  });

  it("pays the node's share to its payout when somebody withdraws it", async () => {
    const { taskEscrow, opg } = journey;
    const earned = await taskEscrow.earningsOf(trail.node.payout);
    expect(earned).to.equal(BigInt(trail.splits[0]?.amount ?? 0));
    const before = await opg.balanceOf(trail.node.payout);
    const stranger = localAccount("governor").connect(journey.provider);
    await (await stranger.sendTransaction(taskEscrow.populateWithdraw(trail.node.payout))).wait();
    expect(await opg.balanceOf(trail.node.payout)).to.equal(before + earned);
  });

  it("leaves in the contract only what is in the pools", async () => {
    const { opg, local, settlement, verifierSet } = journey;
    const pool = await settlement.poolOf(await verifierSet.currentEpoch());
    const held = await opg.balanceOf(local.network.contracts.taskEscrow);
    expect(held).to.equal(pool.verifierAmount + pool.treasuryAmount);
  });
});
