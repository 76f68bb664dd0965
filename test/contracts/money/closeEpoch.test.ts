import { expect } from "chai";
import { ascending, loadMoney, type Money, networkHelpers, nextAt, walletOf } from "./moneyFixture.ts";

/** So that a call that must revert is mined at the second chosen for it, instead of being estimated before. */
const unestimated = { gasLimit: 1_000_000 };
const nextVerifiers = ["next 1", "next 2", "next 3"].map(walletOf);

/** Two settled tasks in epoch 1, 200 atoms for its verifiers and 100 for the treasury, and epoch 1 handed over. */
async function epochOver() {
  const money = await loadMoney();
  for (const nonce of [1n, 2n])
    await money.settle(await money.openTask({ nonce, maxAmount: 1_000n }), { amount: 1_000n });
  await money.handOver(nextVerifiers);
  const endedAt = Number((await money.verifierSet.epochs(1)).endedAt);
  const closableAt = endedAt + money.parameters.graceSeconds + 1;
  const [a, b, c] = ascending(money.wallets.verifiers) as [string, string, string];
  return { ...money, a, b, c, closableAt };
}

/** Closes an epoch under a certificate of its own set. */
async function close({ settlement, signCounts }: Money, verifiers: string[], counts: bigint[], epoch = 1n) {
  const signatures = await signCounts({ epoch, verifiers, counts });
  return settlement.closeEpoch(epoch, verifiers, counts, signatures, unestimated);
}

describe("Settlement.closeEpoch", () => {
  it("divides the pool by how often each verifier was right, the rest goes to the treasury", async () => {
    const money = await epochOver();
    const { settlement, taskEscrow, parameters, a, b, closableAt } = money;
    await nextAt(closableAt);
    // 200 atoms over 2 tasks and 3 verifiers; the third verifier is absent.
    await expect(close(money, [a, b], [2n, 1n]))
      .to.emit(settlement, "EpochClosed")
      .withArgs(1, [a, b], [2, 1], 99n, 201n);
    expect(await taskEscrow.earnings(a)).to.equal(66n);
    expect(await taskEscrow.earnings(b)).to.equal(33n);
    expect(await taskEscrow.earnings(parameters.treasury)).to.equal(201n);
    const { verifierAmount, treasuryAmount, settledTasks } = await settlement.pools(1);
    expect([verifierAmount, treasuryAmount, settledTasks]).to.deep.equal([0n, 0n, 0n]);
  });

  it("gives a full set that was always right all but the rounding", async () => {
    const money = await epochOver();
    const { taskEscrow, parameters, a, b, c, closableAt } = money;
    await nextAt(closableAt);
    await close(money, [a, b, c], [2n, 2n, 2n]);
    for (const verifier of [a, b, c]) expect(await taskEscrow.earnings(verifier)).to.equal(66n);
    expect(await taskEscrow.earnings(parameters.treasury)).to.equal(102n);
  });

  it("closes an epoch once", async () => {
    const money = await epochOver();
    await nextAt(money.closableAt);
    await close(money, [money.a], [1n]);
    await expect(close(money, [money.a], [1n]))
      .to.be.revertedWithCustomError(money.settlement, "EpochEmpty")
      .withArgs(1);
  });

  it("does not close the current epoch, nor one that never was", async () => {
    const money = await epochOver();
    for (const epoch of [2n, 9n]) {
      await expect(close(money, [money.a], [1n], epoch))
        .to.be.revertedWithCustomError(money.settlement, "EpochStillOpen")
        .withArgs(epoch, 0);
    }
  });

  it("waits until no certificate of the epoch is accepted any more", async () => {
    const money = await epochOver();
    await nextAt(money.closableAt - 1);
    await expect(close(money, [money.a], [1n]))
      .to.be.revertedWithCustomError(money.settlement, "EpochStillOpen")
      .withArgs(1, money.closableAt);
  });

  it("divides nothing where nothing was settled", async () => {
    const money = await epochOver();
    await money.handOver(nextVerifiers, nextVerifiers);
    await networkHelpers.time.increase(money.parameters.graceSeconds);
    const signatures = await money.signCounts({ epoch: 2n, verifiers: [], counts: [] }, nextVerifiers);
    await expect(money.settlement.closeEpoch(2, [], [], signatures))
      .to.be.revertedWithCustomError(money.settlement, "EpochEmpty")
      .withArgs(2);
  });

  it("refuses counts that do not go with the verifiers", async () => {
    const money = await epochOver();
    const { settlement, a, b, closableAt } = money;
    await nextAt(closableAt);
    await expect(close(money, [a, b], [1n]))
      .to.be.revertedWithCustomError(settlement, "CountsMismatch")
      .withArgs(2, 1);
    await expect(close(money, [], [1n]))
      .to.be.revertedWithCustomError(settlement, "CountsMismatch")
      .withArgs(0, 1);
  });

  it("refuses a count above the tasks that were settled", async () => {
    const money = await epochOver();
    await nextAt(money.closableAt);
    await expect(close(money, [money.a], [3n]))
      .to.be.revertedWithCustomError(money.settlement, "CountAboveTasks")
      .withArgs(money.a, 3, 2);
  });

  it("refuses verifiers of another epoch, doubled or out of order", async () => {
    const money = await epochOver();
    const { settlement, a, b, closableAt } = money;
    await nextAt(closableAt);
    const foreigner = nextVerifiers[0]?.address ?? "";
    await expect(close(money, [foreigner], [1n]))
      .to.be.revertedWithCustomError(settlement, "NotAMember")
      .withArgs(foreigner, 1);
    for (const [previous, next] of [
      [a, a],
      [b, a],
    ] as const) {
      await expect(close(money, [previous, next], [1n, 1n]))
        .to.be.revertedWithCustomError(settlement, "VerifiersNotAscending")
        .withArgs(previous, next);
    }
  });

  it("takes no certificate but one of the epoch's own set over these very counts", async () => {
    const money = await epochOver();
    const { settlement, verifierSet, signCounts, a, closableAt } = money;
    await nextAt(closableAt);
    const counts = { epoch: 1n, verifiers: [a], counts: [2n] };
    await expect(
      settlement.closeEpoch(1, [a], [2n], await signCounts(counts, nextVerifiers), unestimated),
    ).to.be.revertedWithCustomError(verifierSet, "NotAMember");
    await expect(
      settlement.closeEpoch(1, [a], [1n], await signCounts(counts), unestimated),
    ).to.be.revertedWithCustomError(verifierSet, "NotAMember");
    await expect(settlement.closeEpoch(1, [a], [2n], "0x", unestimated))
      .to.be.revertedWithCustomError(verifierSet, "TooFewSignatures")
      .withArgs(0, 2);
  });

  it("gives all to the treasury when nobody brought a certificate for CLOSE_SECONDS, by anyone", async () => {
    const { settlement, taskEscrow, wallets, parameters, closableAt } = await epochOver();
    expect(await settlement.CLOSE_SECONDS()).to.equal(parameters.closeSeconds);
    const fallbackAt = closableAt + parameters.closeSeconds;
    await nextAt(fallbackAt - 1);
    await expect(settlement.closeEpoch(1, [], [], "0x", unestimated))
      .to.be.revertedWithCustomError(settlement, "EpochStillOpen")
      .withArgs(1, fallbackAt);
    await nextAt(fallbackAt);
    await settlement.connect(wallets.stranger).closeEpoch(1, [], [], "0x");
    expect(await taskEscrow.earnings(parameters.treasury)).to.equal(300n);
  });

  it("pays the treasury named when it closes", async () => {
    const money = await epochOver();
    const { settlement, taskEscrow, addresses, govern, closableAt } = money;
    const nextTreasury = walletOf("next treasury").address;
    await govern({
      to: addresses.settlement,
      data: settlement.interface.encodeFunctionData("setTreasury", [nextTreasury]),
    });
    await nextAt(closableAt);
    await close(money, [], []);
    expect(await taskEscrow.earnings(nextTreasury)).to.equal(300n);
  });
});
