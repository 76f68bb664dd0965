import { expect } from "chai";
import { ZeroHash } from "ethers";
import { ethers, loadMoney, nextAt, walletOf } from "./moneyFixture.ts";

const NONE = 0n;
const CLOSED = 2n;

/** So that a call that must revert is mined at the second chosen for it, instead of being estimated before. */
const unestimated = { gasLimit: 1_000_000 };

describe("TaskEscrow", () => {
  describe("refund", () => {
    it("gives the whole lock back to the payer, whoever calls it, in the first second after the window", async () => {
      const { taskEscrow, opg, wallets, parameters, openTask } = await loadMoney();
      const task = await openTask();
      const taskId = await taskEscrow.taskIdOf(task);
      await nextAt(task.deadline + parameters.settleWindowSeconds + 1);
      const refunded = taskEscrow.connect(wallets.stranger).refund(task);
      await expect(refunded).to.emit(taskEscrow, "TaskRefunded").withArgs(taskId, task.payer, task.maxAmount);
      await expect(refunded).to.changeTokenBalances(
        ethers,
        opg,
        [taskEscrow, wallets.payer],
        [-task.maxAmount, task.maxAmount],
      );
      const { amount, deadline, status } = await taskEscrow.locks(taskId);
      expect([amount, deadline, status]).to.deep.equal([0n, 0n, CLOSED]);
    });

    it("is too early up to and including the last second of the window", async () => {
      const { taskEscrow, parameters, openTask } = await loadMoney();
      const task = await openTask();
      const closesAt = task.deadline + parameters.settleWindowSeconds;
      await nextAt(closesAt);
      await expect(taskEscrow.refund(task, unestimated))
        .to.be.revertedWithCustomError(taskEscrow, "WindowStillOpen")
        .withArgs(closesAt);
    });

    it("refunds only what is open", async () => {
      const { taskEscrow, parameters, openTask, makeTask, settle } = await loadMoney();
      const [settled, refunded, never] = [
        await openTask({ nonce: 1n }),
        await openTask({ nonce: 2n }),
        await makeTask(),
      ];
      await settle(settled);
      await nextAt(refunded.deadline + parameters.settleWindowSeconds + 1);
      await taskEscrow.refund(refunded);
      for (const [task, status] of [
        [settled, CLOSED],
        [refunded, CLOSED],
        [never, NONE],
        [{ ...refunded, payer: walletOf("thief").address }, NONE],
      ] as const) {
        await expect(taskEscrow.refund(task))
          .to.be.revertedWithCustomError(taskEscrow, "TaskNotOpen")
          .withArgs(await taskEscrow.taskIdOf(task), status);
      }
    });
  });

  describe("charge, capture, refuse and credit", () => {
    it("are for the settlement contract alone", async () => {
      const { taskEscrow, wallets, openTask, paymentBy, addresses } = await loadMoney();
      expect(await taskEscrow.SETTLEMENT()).to.equal(addresses.settlement);
      const task = await openTask();
      const taskId = await taskEscrow.taskIdOf(task);
      const { stranger } = wallets;
      const escrow = taskEscrow.connect(stranger);
      const payment = await paymentBy.upto(task);
      for (const call of [
        escrow.charge(taskId, task, stranger.address, 1n, 0n),
        escrow.capture(taskId, task, stranger.address, 1n, 0n, payment, wallets.facilitator.address),
        escrow.refuse(taskId, task),
        escrow.credit([stranger.address], [1n]),
      ]) {
        await expect(call).to.be.revertedWithCustomError(taskEscrow, "OnlySettlement").withArgs(stranger.address);
      }
    });
  });

  describe("withdraw", () => {
    it("pays what an account has earned to that account, whoever calls it", async () => {
      const { taskEscrow, opg, wallets, openTask, settle } = await loadMoney();
      const payout = walletOf("payout").address;
      await settle(await openTask({ maxAmount: 1_000n }), { payout, amount: 1_000n });
      expect(await taskEscrow.earnings(payout)).to.equal(850n);
      const withdrawn = taskEscrow.connect(wallets.stranger).withdraw(payout);
      await expect(withdrawn).to.emit(taskEscrow, "Withdrawn").withArgs(payout, 850n);
      await expect(withdrawn).to.changeTokenBalances(ethers, opg, [taskEscrow, payout], [-850n, 850n]);
    });

    it("pays nothing twice", async () => {
      const { taskEscrow, openTask, settle } = await loadMoney();
      const payout = walletOf("payout").address;
      await settle(await openTask(), { payout });
      await taskEscrow.withdraw(payout);
      await expect(taskEscrow.withdraw(payout))
        .to.be.revertedWithCustomError(taskEscrow, "NothingToWithdraw")
        .withArgs(payout);
    });
  });

  describe("setEntriesPaused", () => {
    it("stops open, and nothing that lets money out", async () => {
      const money = await loadMoney();
      const { taskEscrow, addresses, govern, openTask, openTaskUpto, settle, refuse, parameters } = money;
      const tasks = [
        await openTask({ nonce: 1n }),
        await openTask({ nonce: 2n }),
        await openTask({ nonce: 3n }),
      ] as const;
      const pause = (paused: boolean) =>
        govern({
          to: addresses.taskEscrow,
          data: taskEscrow.interface.encodeFunctionData("setEntriesPaused", [paused]),
        });
      await pause(true);
      expect(await taskEscrow.entriesPaused()).to.equal(true);
      expect(await taskEscrow.queryFilter(taskEscrow.filters.EntriesPausedSet())).to.have.length(1);
      for (const open of [openTask, openTaskUpto]) {
        await expect(open({ nonce: 4n })).to.be.revertedWithCustomError(taskEscrow, "EntriesPaused");
      }
      await settle(tasks[0], { payout: walletOf("payout").address });
      await refuse(tasks[1]);
      await taskEscrow.withdraw(walletOf("payout").address);
      await nextAt(tasks[2].deadline + parameters.settleWindowSeconds + 1);
      await taskEscrow.refund(tasks[2]);
      await pause(false);
      await openTask({ nonce: 4n });
    });
  });

  describe("setFacilitator", () => {
    it("registers facilitators and takes them off the list", async () => {
      const { taskEscrow, addresses, govern, wallets } = await loadMoney();
      const facilitator = walletOf("facilitator").address;
      expect(await taskEscrow.isFacilitator(wallets.facilitator.address)).to.equal(true);
      for (const registered of [true, false]) {
        const data = taskEscrow.interface.encodeFunctionData("setFacilitator", [facilitator, registered]);
        await govern({ to: addresses.taskEscrow, data });
        expect(await taskEscrow.isFacilitator(facilitator)).to.equal(registered);
        const [log] = (await taskEscrow.queryFilter(taskEscrow.filters.FacilitatorSet(facilitator))).slice(-1);
        expect(log?.args.registered).to.equal(registered);
      }
    });
  });

  it("names what it was deployed with", async () => {
    const { taskEscrow, addresses, parameters, permit2 } = await loadMoney();
    expect(await taskEscrow.TOKEN()).to.equal(addresses.opg);
    expect(await taskEscrow.PERMIT2()).to.equal(await permit2.getAddress());
    expect(await taskEscrow.SETTLE_WINDOW_SECONDS()).to.equal(parameters.settleWindowSeconds);
    expect((await taskEscrow.locks(ZeroHash)).status).to.equal(NONE);
  });
});
