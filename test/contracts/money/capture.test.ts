import { expect } from "chai";
import { concat, id, ZeroAddress } from "ethers";
import type { CapturedPayment } from "#chain/settlement.ts";
import type { Task } from "#protocol/task.ts";
import { ethers, loadMoney, type Money, networkHelpers, nextAt, walletOf } from "./moneyFixture.ts";

const NONE = 0n;
const CLOSED = 2n;
const payout = walletOf("payout").address;
/** So that a call that must revert is mined at the second chosen for it, instead of being estimated before. */
const unestimated = { gasLimit: 1_000_000 };
/** Where there is a lock, what is said of the payment does not matter. */
const noPayment: CapturedPayment = { facilitator: ZeroAddress, validAfter: 7n, signature: "0x" };

/** Everything that a capture at a chosen second is called with. */
async function calldataOf(money: Money, task: Task, payment: CapturedPayment) {
  const result = await money.makeResult(task, { payout, completedAt: task.deadline });
  return [task, result, await money.signResult(result), await money.certifyResult(result), payment] as const;
}

for (const way of ["witness", "upto"] as const) {
  describe(`Settlement.capture of a payment by ${way}`, () => {
    it("takes exactly the charge from the payer, divides it, and locks nothing", async () => {
      const { settlement, taskEscrow, opg, wallets, makeTask, makeResult, paymentBy, capture } = await loadMoney();
      const task = await makeTask({ maxAmount: 1_000n });
      const changes = { payout, amount: 400n, completedAt: task.deadline };
      const { taskId } = await makeResult(task);
      const resultHash = await settlement.resultHashOf(await makeResult(task, changes));
      const captured = capture(task, await paymentBy[way](task), changes);
      await expect(captured)
        .to.emit(settlement, "TaskSettled")
        .withArgs(taskId, task.node, 1, resultHash, payout, 340n, 40n, 20n);
      await expect(captured).to.emit(taskEscrow, "TaskCharged").withArgs(taskId, task.payer, payout, 400n, 340n, 0n);
      await expect(captured).to.changeTokenBalances(ethers, opg, [taskEscrow, wallets.payer], [400n, -400n]);
      expect(await taskEscrow.earnings(payout)).to.equal(340n);
      const { verifierAmount, treasuryAmount, settledTasks } = await settlement.pools(1);
      expect([verifierAmount, treasuryAmount, settledTasks]).to.deep.equal([40n, 20n, 1n]);
      expect((await taskEscrow.locks(taskId)).status).to.equal(NONE);
    });

    it("captures once, and leaves nothing to open", async () => {
      const money = await loadMoney();
      const { taskEscrow, settlement, permit2, wallets, makeTask, paymentBy, capture, signPayment } = money;
      const task = await makeTask();
      const payment = await paymentBy[way](task);
      await capture(task, payment);
      const { facilitator } = wallets;
      const upto = await paymentBy.upto(task);
      const again = [
        () => capture(task, payment),
        async () => taskEscrow.open(task, await signPayment(task)),
        () => taskEscrow.connect(facilitator).openUpto(task, facilitator.address, 0n, upto.signature),
      ];
      for (const attempt of again) {
        await expect(attempt()).to.be.revertedWithCustomError(permit2, "InvalidNonce");
      }
      expect((await settlement.pools(1)).settledTasks).to.equal(1n);
    });

    it("cannot be captured again for nothing once it was charged", async () => {
      const { taskEscrow, settlement, makeTask, paymentBy, capture } = await loadMoney();
      const task = await makeTask({ maxAmount: 1_000n });
      const payment = await paymentBy[way](task);
      await capture(task, payment, { payout, amount: 400n });
      await expect(capture(task, payment, { payout, amount: 0n }))
        .to.be.revertedWithCustomError(taskEscrow, "NonceUsed")
        .withArgs(task.payer, task.nonce);
      expect((await settlement.pools(1)).settledTasks).to.equal(1n);
    });

    it("makes no token call for a charge of nothing, and closes the task", async () => {
      const { taskEscrow, settlement, opg, makeTask, signPayment, paymentBy, capture } = await loadMoney();
      const task = await makeTask();
      const taskId = await taskEscrow.taskIdOf(task);
      const payment = await paymentBy[way](task);
      const captured = capture(task, payment, { payout, amount: 0n });
      await expect(captured).to.emit(taskEscrow, "TaskCharged").withArgs(taskId, task.payer, payout, 0n, 0n, 0n);
      await expect(captured).not.to.emit(opg, "Transfer");
      await expect(capture(task, payment, { payout, amount: 0n }))
        .to.be.revertedWithCustomError(taskEscrow, "TaskNotOpen")
        .withArgs(taskId, CLOSED);
      await expect(taskEscrow.open(task, await signPayment(task))).to.be.revertedWithCustomError(
        taskEscrow,
        "TaskNotNew",
      );
      expect((await settlement.pools(1)).settledTasks).to.equal(1n);
    });

    it("takes no charge above the ceiling, whoever certified it", async () => {
      const { taskEscrow, makeTask, paymentBy, capture } = await loadMoney();
      const task = await makeTask();
      await expect(capture(task, await paymentBy[way](task), { amount: task.maxAmount + 1n }))
        .to.be.revertedWithCustomError(taskEscrow, "ChargeAboveMaximum")
        .withArgs(task.maxAmount + 1n, task.maxAmount);
    });

    it("captures in the last second of the window, and not after it", async () => {
      const money = await loadMoney();
      const { settlement, taskEscrow, wallets, parameters, makeTask, paymentBy } = money;
      const deadline = (await money.now()) + 100;
      const [first, second] = [await makeTask({ nonce: 1n, deadline }), await makeTask({ nonce: 2n, deadline })];
      const closesAt = deadline + parameters.settleWindowSeconds;
      const inTime = await calldataOf(money, first, await paymentBy[way](first));
      const late = await calldataOf(money, second, await paymentBy[way](second));
      await nextAt(closesAt);
      await settlement.connect(wallets.facilitator).capture(...inTime);
      await nextAt(closesAt + 1);
      await expect(settlement.connect(wallets.facilitator).capture(...late, unestimated))
        .to.be.revertedWithCustomError(taskEscrow, "WindowClosed")
        .withArgs(closesAt);
    });

    it("takes nothing from a payer with code: neither a contract nor a delegated account (EIP-7702)", async () => {
      const { taskEscrow, wallets, makeTask, paymentBy, capture } = await loadMoney();
      const task = await makeTask();
      const payment = await paymentBy[way](task);
      for (const code of ["0x00", concat(["0xef0100", wallets.stranger.address])]) {
        await networkHelpers.setCode(task.payer, code);
        await expect(capture(task, payment))
          .to.be.revertedWithCustomError(taskEscrow, "PayerHasCode")
          .withArgs(task.payer);
      }
      await networkHelpers.setCode(task.payer, "0x");
      await capture(task, payment);
    });

    it("leaves nothing behind where the payer cannot pay any more", async () => {
      const { taskEscrow, settlement, opg, permit2, wallets, makeTask, paymentBy, capture } = await loadMoney();
      const task = await makeTask();
      await opg.connect(wallets.payer).approve(permit2, 0n);
      await expect(capture(task, await paymentBy[way](task), { payout })).to.be.revertedWith("TRANSFER_FROM_FAILED");
      expect(await taskEscrow.earnings(payout)).to.equal(0n);
      expect((await settlement.pools(1)).settledTasks).to.equal(0n);
    });

    it("goes on while entries are paused", async () => {
      const { taskEscrow, addresses, govern, makeTask, paymentBy, capture } = await loadMoney();
      const data = taskEscrow.interface.encodeFunctionData("setEntriesPaused", [true]);
      await govern({ to: addresses.taskEscrow, data });
      const task = await makeTask();
      await capture(task, await paymentBy[way](task));
    });

    it("refuses what settle refuses", async () => {
      const { settlement, verifierSet, taskEscrow, wallets, makeTask, makeResult, ...money } = await loadMoney();
      const task = await makeTask();
      const payment = await money.paymentBy[way](task);
      await expect(money.capture(task, payment, { completedAt: task.deadline + 1 }))
        .to.be.revertedWithCustomError(settlement, "CompletedLate")
        .withArgs(task.deadline + 1, task.deadline);
      await expect(money.capture(task, payment, {}, { signers: [wallets.verifiers[0]] }))
        .to.be.revertedWithCustomError(verifierSet, "TooFewSignatures")
        .withArgs(1, 2);
      await expect(money.capture(task, payment, {}, { mode: 1 }))
        .to.be.revertedWithCustomError(settlement, "WrongMode")
        .withArgs(1, task.policy);
      await expect(money.capture(task, payment, {}, { agrees: false })).to.be.revert(ethers);
      const { taskId } = await makeResult(await makeTask({ nonce: 9n }));
      await expect(money.capture(task, payment, { taskId }))
        .to.be.revertedWithCustomError(taskEscrow, "NotThatTask")
        .withArgs(taskId, await taskEscrow.taskIdOf(task));
      const result = await makeResult(task);
      const foreign = await money.signResult(result, walletOf("another node"));
      await expect(
        settlement
          .connect(wallets.facilitator)
          .capture(task, result, foreign, await money.certifyResult(result), payment),
      ).to.be.revertedWithCustomError(settlement, "NotSignedByNode");
    });
  });
}

describe("Settlement.capture", () => {
  it("settles an open task from its lock, whatever is said of the payment", async () => {
    const { taskEscrow, opg, wallets, openTask, openTaskUpto, capture } = await loadMoney();
    const tasks = [
      await openTask({ nonce: 1n, maxAmount: 1_000n }),
      await openTaskUpto({ nonce: 2n, maxAmount: 1_000n }),
    ];
    for (const task of tasks) {
      await expect(capture(task, noPayment, { amount: 400n }, { by: wallets.stranger })).to.changeTokenBalances(
        ethers,
        opg,
        [taskEscrow, wallets.payer],
        [-600n, 600n],
      );
    }
  });

  it("does not pay for a closed task again", async () => {
    const { taskEscrow, openTask, settle, capture, paymentBy } = await loadMoney();
    const task = await openTask();
    await settle(task);
    await expect(capture(task, await paymentBy.witness(task)))
      .to.be.revertedWithCustomError(taskEscrow, "TaskNotOpen")
      .withArgs(await taskEscrow.taskIdOf(task), CLOSED);
  });

  it("may be submitted by anyone where the task is what the payer signed", async () => {
    const { wallets, makeTask, paymentBy, capture } = await loadMoney();
    const task = await makeTask();
    await capture(task, await paymentBy.witness(task), {}, { by: wallets.stranger });
  });

  it("may be submitted by the entry's signers alone under upto", async () => {
    const { facilitatorEntry, wallets, makeTask, paymentBy, capture } = await loadMoney();
    const { facilitator, stranger } = wallets;
    const task = await makeTask();
    const payment = await paymentBy.upto(task);
    await expect(capture(task, payment, {}, { by: stranger }))
      .to.be.revertedWithCustomError(facilitatorEntry, "NotASigner")
      .withArgs(stranger.address);
    await facilitatorEntry.connect(facilitator).setSigner(stranger.address, true);
    await capture(task, payment, {}, { by: stranger });
  });

  it("takes a signature over the task in no field changed", async () => {
    const { permit2, makeTask, makeResult, paymentBy, capture, wallets } = await loadMoney();
    const task = await makeTask();
    const [byWitness, byUpto] = [await paymentBy.witness(task), await paymentBy.upto(task)];
    const cases: [CapturedPayment, Partial<Task>][] = [
      [byWitness, { model: id("other model") }],
      [byWitness, { maxAmount: task.maxAmount + 1n }],
      [byWitness, { nonce: task.nonce + 1n }],
      [byUpto, { maxAmount: task.maxAmount + 1n }],
      [byUpto, { deadline: task.deadline + 1 }],
      [byUpto, { nonce: task.nonce + 1n }],
      [byUpto, { payer: wallets.stranger.address }],
      [{ ...byUpto, validAfter: 1n }, {}],
      [{ ...byUpto, facilitator: ZeroAddress }, {}],
      [{ ...byWitness, facilitator: wallets.facilitator.address }, {}],
    ];
    for (const [payment, changes] of cases) {
      const changed = { ...task, ...changes };
      const { taskId } = await makeResult(changed);
      await expect(capture(changed, payment, { taskId })).to.be.revertedWithCustomError(permit2, "InvalidSigner");
    }
  });
});
