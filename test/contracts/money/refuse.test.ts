import { expect } from "chai";
import { policies } from "#protocol/task.ts";
import { ethers, loadMoney, nextAt } from "./moneyFixture.ts";

/** So that a call that must revert is mined at the second chosen for it, instead of being estimated before. */
const unestimated = { gasLimit: 1_000_000 };

describe("Settlement.refuse", () => {
  it("gives the whole lock back at once, without a signature of the node", async () => {
    const { settlement, taskEscrow, opg, wallets, openTask, refuse, makeResult } = await loadMoney();
    const task = await openTask();
    const result = await makeResult(task, { completedAt: task.deadline });
    const refused = refuse(task, { completedAt: task.deadline });
    await expect(refused)
      .to.emit(settlement, "TaskRefused")
      .withArgs(result.taskId, task.node, 1, await settlement.resultHashOf(result));
    await expect(refused).to.emit(taskEscrow, "TaskRefunded").withArgs(result.taskId, task.payer, task.maxAmount);
    await expect(refused).to.changeTokenBalances(
      ethers,
      opg,
      [taskEscrow, wallets.payer],
      [-task.maxAmount, task.maxAmount],
    );
    expect((await settlement.pools(1)).settledTasks).to.equal(0n);
  });

  it("refuses what was completed late, too", async () => {
    const { openTask, refuse } = await loadMoney();
    const task = await openTask();
    await refuse(task, { completedAt: task.deadline + 1 });
  });

  it("takes no agreement for refusals, and no fewer than the threshold", async () => {
    const { verifierSet, wallets, openTask, refuse } = await loadMoney();
    const task = await openTask();
    await expect(refuse(task, {}, { agrees: true })).to.be.revert(ethers);
    await expect(refuse(task, {}, { signers: [wallets.verifiers[0]] })).to.be.revertedWithCustomError(
      verifierSet,
      "TooFewSignatures",
    );
  });

  it("refuses refusals of another mode or task", async () => {
    const { settlement, taskEscrow, openTask, refuse } = await loadMoney();
    const [task, another] = [await openTask({ nonce: 1n }), await openTask({ nonce: 2n })];
    await expect(refuse(task, {}, { mode: policies.native }))
      .to.be.revertedWithCustomError(settlement, "WrongMode")
      .withArgs(policies.native, policies.reExecution);
    await expect(refuse(task, { taskId: await taskEscrow.taskIdOf(another) })).to.be.revertedWithCustomError(
      taskEscrow,
      "NotThatTask",
    );
  });

  it("ends a task once, against settle and refund", async () => {
    const { taskEscrow, parameters, openTask, refuse, settle } = await loadMoney();
    const task = await openTask();
    await refuse(task);
    await expect(settle(task)).to.be.revertedWithCustomError(taskEscrow, "TaskNotOpen");
    await expect(refuse(task)).to.be.revertedWithCustomError(taskEscrow, "TaskNotOpen");
    await nextAt(task.deadline + parameters.settleWindowSeconds + 1);
    await expect(taskEscrow.refund(task)).to.be.revertedWithCustomError(taskEscrow, "TaskNotOpen");
  });

  it("is possible up to and including the last second of the window", async () => {
    const { settlement, taskEscrow, parameters, openTask, refuse, makeResult, certifyResult } = await loadMoney();
    const [first, second] = [await openTask({ nonce: 1n }), await openTask({ nonce: 2n })];
    const deadline = Math.min(first.deadline, second.deadline);
    await nextAt(deadline + parameters.settleWindowSeconds);
    await refuse(first);
    const result = await makeResult(second);
    const refusals = await certifyResult(result, { agrees: false });
    await nextAt(second.deadline + parameters.settleWindowSeconds + 1);
    await expect(settlement.refuse(second, result, refusals, unestimated))
      .to.be.revertedWithCustomError(taskEscrow, "WindowClosed")
      .withArgs(second.deadline + parameters.settleWindowSeconds);
  });
});
