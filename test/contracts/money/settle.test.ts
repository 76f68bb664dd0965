import { expect } from "chai";
import { concat, id, toBeHex, Wallet } from "ethers";
import { resultTypedData } from "#protocol/result.ts";
import { splitCharge } from "#protocol/settlement.ts";
import { policies } from "#protocol/task.ts";
import { verdictTypedData } from "#protocol/verdict.ts";
import { certify, sign } from "#test/contracts/fixture.ts";
import { ethers, loadMoney, networkHelpers, nextAt, walletOf } from "./moneyFixture.ts";

const payout = walletOf("payout").address;
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
/** So that a call that must revert is mined at the second chosen for it, instead of being estimated before. */
const unestimated = { gasLimit: 1_000_000 };
const nextVerifiers = ["next 1", "next 2", "next 3"].map(walletOf);

describe("Settlement.settle", () => {
  it("divides the charge 85 : 10 : 5 and gives the rest of the lock back", async () => {
    const { settlement, taskEscrow, opg, wallets, openTask, settle, makeResult } = await loadMoney();
    const task = await openTask({ maxAmount: 1_000n });
    const changes = { payout, amount: 400n, completedAt: task.deadline };
    const { taskId } = await makeResult(task);
    const resultHash = await settlement.resultHashOf(await makeResult(task, changes));
    const settled = settle(task, changes);
    await expect(settled)
      .to.emit(settlement, "TaskSettled")
      .withArgs(taskId, task.node, 1, resultHash, payout, 340n, 40n, 20n);
    await expect(settled).to.emit(taskEscrow, "TaskCharged").withArgs(taskId, task.payer, payout, 400n, 340n, 600n);
    await expect(settled).to.changeTokenBalances(ethers, opg, [taskEscrow, wallets.payer], [-600n, 600n]);
    expect(await taskEscrow.earnings(payout)).to.equal(340n);
    const { verifierAmount, treasuryAmount, settledTasks } = await settlement.pools(1);
    expect([verifierAmount, treasuryAmount, settledTasks]).to.deep.equal([40n, 20n, 1n]);
    expect((await taskEscrow.locks(taskId)).status).to.equal(2n);
  });

  it("rounds node and verifiers down, the remainder goes to the treasury", async () => {
    const { settlement, taskEscrow, openTask, settle } = await loadMoney();
    const [verifierBps, treasuryBps] = await settlement.fees();
    let pooled = { verifiers: 0n, treasury: 0n, node: 0n };
    for (const [nonce, amount] of [1n, 19n, 9_999n, 10_001n].entries()) {
      await settle(await openTask({ nonce: BigInt(nonce) }), { payout, amount });
      const split = splitCharge(amount, { verifierBps, treasuryBps });
      pooled = {
        node: pooled.node + split.node,
        verifiers: pooled.verifiers + split.verifiers,
        treasury: pooled.treasury + split.treasury,
      };
      const { verifierAmount, treasuryAmount } = await settlement.pools(1);
      expect([await taskEscrow.earnings(payout), verifierAmount, treasuryAmount]).to.deep.equal([
        pooled.node,
        pooled.verifiers,
        pooled.treasury,
      ]);
    }
  });

  it("charges the whole lock with no transfer to the payer", async () => {
    const { opg, wallets, openTask, settle } = await loadMoney();
    const task = await openTask();
    const settled = settle(task, { amount: task.maxAmount });
    await expect(settled).to.changeTokenBalance(ethers, opg, wallets.payer, 0n);
    await expect(settled).not.to.emit(opg, "Transfer");
  });

  it("charges nothing and gives all back", async () => {
    const { settlement, taskEscrow, opg, wallets, openTask, settle } = await loadMoney();
    const task = await openTask();
    await expect(settle(task, { payout, amount: 0n })).to.changeTokenBalance(
      ethers,
      opg,
      wallets.payer,
      task.maxAmount,
    );
    expect(await taskEscrow.earnings(payout)).to.equal(0n);
    expect((await settlement.pools(1)).settledTasks).to.equal(1n);
  });

  it("refuses a charge above the ceiling, whoever certified it", async () => {
    const { taskEscrow, openTask, settle } = await loadMoney();
    const task = await openTask();
    await expect(settle(task, { amount: task.maxAmount + 1n }))
      .to.be.revertedWithCustomError(taskEscrow, "ChargeAboveMaximum")
      .withArgs(task.maxAmount + 1n, task.maxAmount);
    await expect(settle(task, { amount: 2n ** 128n - 1n })).to.be.revert(ethers);
  });

  it("settles once", async () => {
    const { taskEscrow, openTask, settle } = await loadMoney();
    const task = await openTask();
    await settle(task);
    await expect(settle(task))
      .to.be.revertedWithCustomError(taskEscrow, "TaskNotOpen")
      .withArgs(await taskEscrow.taskIdOf(task), 2);
  });

  it("settles only what was opened", async () => {
    const { taskEscrow, makeTask, settle } = await loadMoney();
    const task = await makeTask();
    await expect(settle(task))
      .to.be.revertedWithCustomError(taskEscrow, "TaskNotOpen")
      .withArgs(await taskEscrow.taskIdOf(task), 0);
  });

  it("refuses the result of another task", async () => {
    const { taskEscrow, openTask, settle } = await loadMoney();
    const [task, another] = [await openTask({ nonce: 1n }), await openTask({ nonce: 2n })];
    const otherId = await taskEscrow.taskIdOf(another);
    await expect(settle(task, { taskId: otherId }))
      .to.be.revertedWithCustomError(taskEscrow, "NotThatTask")
      .withArgs(otherId, await taskEscrow.taskIdOf(task));
  });

  it("settles in the last second of the window, when a refund is still too early", async () => {
    const { taskEscrow, parameters, openTask, settle } = await loadMoney();
    const task = await openTask();
    const closesAt = task.deadline + parameters.settleWindowSeconds;
    await nextAt(closesAt - 1);
    await expect(taskEscrow.refund(task, unestimated)).to.be.revertedWithCustomError(taskEscrow, "WindowStillOpen");
    await nextAt(closesAt);
    await settle(task, { completedAt: task.deadline });
  });

  it("does not settle after the window, when a refund is possible", async () => {
    const { settlement, taskEscrow, parameters, openTask, makeResult, signResult, certifyResult } = await loadMoney();
    const task = await openTask();
    const result = await makeResult(task);
    const [nodeSignature, certificate] = [await signResult(result), await certifyResult(result)];
    const closedAt = task.deadline + parameters.settleWindowSeconds;
    await nextAt(closedAt + 1);
    await expect(settlement.settle(task, result, nodeSignature, certificate, unestimated))
      .to.be.revertedWithCustomError(taskEscrow, "WindowClosed")
      .withArgs(closedAt);
    await taskEscrow.refund(task);
  });

  it("refuses a result completed after the deadline", async () => {
    const { settlement, openTask, settle } = await loadMoney();
    const task = await openTask();
    await expect(settle(task, { completedAt: task.deadline + 1 }))
      .to.be.revertedWithCustomError(settlement, "CompletedLate")
      .withArgs(task.deadline + 1, task.deadline);
  });

  it("refuses a certificate of another mode than the task's policy", async () => {
    const { settlement, openTask, settle } = await loadMoney();
    const task = await openTask({ policy: policies.enclave });
    await expect(settle(task, {}, { mode: policies.reExecution }))
      .to.be.revertedWithCustomError(settlement, "WrongMode")
      .withArgs(policies.reExecution, policies.enclave);
    await settle(task, {}, { mode: policies.enclave });
  });

  it("refuses a result that another key than the task's node signed", async () => {
    const { settlement, wallets, openTask, makeResult, signResult, certifyResult } = await loadMoney();
    const task = await openTask();
    const result = await makeResult(task);
    const foreign = await signResult(result, new Wallet(id("another node")));
    await expect(settlement.settle(task, result, foreign, await certifyResult(result)))
      .to.be.revertedWithCustomError(settlement, "NotSignedByNode")
      .withArgs(new Wallet(id("another node")).address, wallets.node.address);
  });

  it("refuses the node's signature with high s, compact or empty", async () => {
    const { settlement, wallets, openTask, makeResult, certifyResult } = await loadMoney();
    const task = await openTask();
    const result = await makeResult(task);
    const certificate = await certifyResult(result);
    const { r, s, v, compactSerialized } = wallets.node.signingKey.sign(await settlement.resultHashOf(result));
    const highS = toBeHex(CURVE_ORDER - BigInt(s), 32);
    const malleated = concat([r, highS, v === 27 ? "0x1c" : "0x1b"]);
    await expect(settlement.settle(task, result, malleated, certificate))
      .to.be.revertedWithCustomError(settlement, "ECDSAInvalidSignatureS")
      .withArgs(highS);
    for (const [signature, length] of [
      [compactSerialized, 64],
      ["0x", 0],
    ] as const) {
      await expect(settlement.settle(task, result, signature, certificate))
        .to.be.revertedWithCustomError(settlement, "ECDSAInvalidSignatureLength")
        .withArgs(length);
    }
  });

  it("refuses a result changed after it was certified", async () => {
    const { settlement, openTask, makeResult, signResult, certifyResult } = await loadMoney();
    const task = await openTask();
    const result = await makeResult(task);
    const certificate = await certifyResult(result);
    for (const change of [{ payout }, { amount: result.amount + 1n }, { response: id("other") }, { completedAt: 1 }]) {
      const changed = { ...result, ...change };
      await expect(settlement.settle(task, changed, await signResult(changed), certificate)).to.be.revert(ethers);
    }
  });

  it("refuses signatures made for another chain or contract", async () => {
    const { settlement, wallets, chainId, addresses, domainOf, openTask, makeResult, signResult, certifyResult } =
      await loadMoney();
    const task = await openTask();
    const result = await makeResult(task);
    const resultHash = await settlement.resultHashOf(result);
    for (const domain of [
      { chainId: BigInt(chainId + 1), verifyingContract: addresses.settlement },
      { chainId: BigInt(chainId), verifyingContract: addresses.taskEscrow },
    ]) {
      const nodeSignature = await sign(wallets.node, resultTypedData(result, domain));
      await expect(
        settlement.settle(task, result, nodeSignature, await certifyResult(result)),
      ).to.be.revertedWithCustomError(settlement, "NotSignedByNode");
      const verdict = verdictTypedData({ resultHash, epoch: 1n, mode: 0, agrees: true }, domain);
      const certificate = { epoch: 1n, mode: 0, signatures: await certify(wallets.verifiers, verdict) };
      await expect(settlement.settle(task, result, await signResult(result), certificate)).to.be.revert(ethers);
    }
    expect(domainOf("settlement").verifyingContract).to.equal(addresses.settlement);
  });

  it("takes no refusals for agreement", async () => {
    const { openTask, settle } = await loadMoney();
    await expect(settle(await openTask(), {}, { agrees: false })).to.be.revert(ethers);
  });

  it("takes no fewer verdicts than the threshold", async () => {
    const { verifierSet, wallets, openTask, settle } = await loadMoney();
    await expect(settle(await openTask(), {}, { signers: [wallets.verifiers[0]] }))
      .to.be.revertedWithCustomError(verifierSet, "TooFewSignatures")
      .withArgs(1, 2);
  });

  it("takes no verdict of the node on its own result", async () => {
    const { verifierSet, wallets, handOver, openTask, settle } = await loadMoney();
    await handOver([wallets.node, wallets.verifiers[0], wallets.verifiers[1]]);
    const task = await openTask();
    await expect(settle(task, {}, { epoch: 2n, signers: [wallets.node, wallets.verifiers[0]] }))
      .to.be.revertedWithCustomError(verifierSet, "SignerExcluded")
      .withArgs(wallets.node.address);
    await settle(task, {}, { epoch: 2n });
  });

  it("settles an open task across a handover, under either set", async () => {
    const { settlement, openTask, settle, handOver } = await loadMoney();
    const [first, second] = [await openTask({ nonce: 1n }), await openTask({ nonce: 2n })];
    await handOver(nextVerifiers);
    await settle(first, {}, { epoch: 1n });
    await settle(second, {}, { epoch: 2n, signers: nextVerifiers });
    expect((await settlement.pools(1)).settledTasks).to.equal(1n);
    expect((await settlement.pools(2)).settledTasks).to.equal(1n);
  });

  it("refuses the previous set when its grace has passed", async () => {
    const { verifierSet, settlement, parameters, openTask, makeResult, signResult, certifyResult, handOver } =
      await loadMoney();
    await handOver(nextVerifiers);
    await networkHelpers.time.increase(parameters.graceSeconds);
    const task = await openTask();
    const result = await makeResult(task);
    await expect(settlement.settle(task, result, await signResult(result), await certifyResult(result)))
      .to.be.revertedWithCustomError(verifierSet, "EpochNotAccepted")
      .withArgs(1, 2);
  });
});
