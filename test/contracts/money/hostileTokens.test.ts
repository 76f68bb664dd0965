import { expect } from "chai";
import { artifacts } from "hardhat";
import type { Task } from "#protocol/task.ts";
import { ethers, loadMoney, type Money, networkHelpers, nextAt, walletOf } from "./moneyFixture.ts";

const payout = walletOf("payout").address;

/** The network with another token's code where OPG's was; balances and approvals are as they were. */
async function withToken(name: "FeeToken" | "RefusingToken" | "ReentrantToken"): Promise<Money> {
  const money = await loadMoney();
  const { deployedBytecode } = await artifacts.readArtifact(name);
  await networkHelpers.setCode(money.addresses.opg, deployedBytecode);
  return money;
}

/** Everything that the escrow owes, besides open tasks. */
async function owed({ taskEscrow, settlement, parameters }: Money): Promise<bigint> {
  const { verifierAmount, treasuryAmount } = await settlement.pools(1);
  const earnings = await Promise.all([payout, parameters.treasury].map((account) => taskEscrow.earnings(account)));
  return earnings.reduce((sum, amount) => sum + amount, verifierAmount + treasuryAmount);
}

describe("TaskEscrow with a hostile token", () => {
  describe("that keeps a fee", () => {
    it("opens nothing: what arrived is not what was to be locked", async () => {
      const { taskEscrow, makeTask, signPayment } = await withToken("FeeToken");
      const task = await makeTask({ maxAmount: 1_000n });
      await expect(taskEscrow.open(task, await signPayment(task)))
        .to.be.revertedWithCustomError(taskEscrow, "TransferMismatch")
        .withArgs(990n, 1_000n);
    });

    for (const way of ["witness", "upto"] as const) {
      it(`captures nothing by ${way}: what arrived is not the charge`, async () => {
        const { taskEscrow, makeTask, paymentBy, capture } = await withToken("FeeToken");
        const task = await makeTask({ maxAmount: 1_000n });
        await expect(capture(task, await paymentBy[way](task), { payout, amount: 1_000n }))
          .to.be.revertedWithCustomError(taskEscrow, "TransferMismatch")
          .withArgs(990n, 1_000n);
        expect(await taskEscrow.earnings(payout)).to.equal(0n);
      });
    }
  });

  describe("that returns false", () => {
    const refuseTo = async ({ addresses }: Money, account: string): Promise<void> => {
      await (await ethers.getContractAt("RefusingToken", addresses.opg)).setRefused(account, true);
    };

    it("still pays the node; the rest waits for a payer whom the token refuses", async () => {
      const money = await withToken("RefusingToken");
      const { taskEscrow, openTask, settle, wallets } = money;
      const task = await openTask({ maxAmount: 1_000n });
      await refuseTo(money, wallets.payer.address);
      await expect(settle(task, { payout, amount: 400n }))
        .to.emit(taskEscrow, "Earned")
        .withArgs(wallets.payer.address, 600n);
      expect(await taskEscrow.earnings(payout)).to.equal(340n);
      expect(await taskEscrow.earnings(wallets.payer.address)).to.equal(600n);
    });

    it("keeps a refund and a withdrawal for later instead of losing them", async () => {
      const money = await withToken("RefusingToken");
      const { taskEscrow, openTask, settle, wallets, parameters, addresses } = money;
      const [settled, overdue] = [await openTask({ nonce: 1n }), await openTask({ nonce: 2n })];
      await settle(settled, { payout });
      await refuseTo(money, payout);
      await refuseTo(money, wallets.payer.address);
      await nextAt(overdue.deadline + parameters.settleWindowSeconds + 1);
      for (const call of [() => taskEscrow.refund(overdue), () => taskEscrow.withdraw(payout)]) {
        await expect(call())
          .to.be.revertedWithCustomError(taskEscrow, "SafeERC20FailedOperation")
          .withArgs(addresses.opg);
      }
      expect((await taskEscrow.locks(await taskEscrow.taskIdOf(overdue))).status).to.equal(1n);
      expect(await taskEscrow.earnings(payout)).to.be.greaterThan(0n);
    });
  });

  describe("that calls back", () => {
    const unfinished = "0x";

    /** Arms the token with a call into the escrow or the settlement, runs `outer`, returns how the inner call ended. */
    async function reenter(money: Money, target: string, data: string, outer: () => Promise<unknown>): Promise<string> {
      const token = await ethers.getContractAt("ReentrantToken", money.addresses.opg);
      await token.arm(target, data);
      await outer();
      expect(await token.reentered()).to.equal(true);
      return (await token.succeeded()) ? unfinished : token.answer();
    }

    it("gains nothing by refunding during a refund", async () => {
      const money = await withToken("ReentrantToken");
      const { taskEscrow, openTask, parameters, addresses, opg } = money;
      const task = await openTask();
      await openTask({ nonce: 1n });
      await nextAt(task.deadline + parameters.settleWindowSeconds + 1);
      const data = taskEscrow.interface.encodeFunctionData("refund", [task]);
      const answer = await reenter(money, addresses.taskEscrow, data, () => taskEscrow.refund(task));
      expect(answer).to.equal(
        taskEscrow.interface.encodeErrorResult("TaskNotOpen", [await taskEscrow.taskIdOf(task), 2]),
      );
      expect(await opg.balanceOf(taskEscrow)).to.equal(task.maxAmount);
    });

    it("gains nothing by withdrawing during a withdrawal", async () => {
      const money = await withToken("ReentrantToken");
      const { taskEscrow, openTask, settle, addresses, opg } = money;
      await settle(await openTask(), { payout });
      const data = taskEscrow.interface.encodeFunctionData("withdraw", [payout]);
      const answer = await reenter(money, addresses.taskEscrow, data, () => taskEscrow.withdraw(payout));
      expect(answer).to.equal(taskEscrow.interface.encodeErrorResult("NothingToWithdraw", [payout]));
      expect(await opg.balanceOf(taskEscrow)).to.equal(await owed(money));
    });

    it("gains nothing by settling during a settlement", async () => {
      const money = await withToken("ReentrantToken");
      const { settlement, taskEscrow, openTask, settle, makeResult, signResult, certifyResult, addresses, opg } = money;
      const task = await openTask();
      const result = await makeResult(task, { payout });
      const data = settlement.interface.encodeFunctionData("settle", [
        task,
        result,
        await signResult(result),
        await certifyResult(result),
      ]);
      const answer = await reenter(money, addresses.settlement, data, () => settle(task, { payout }));
      expect(answer).to.equal(taskEscrow.interface.encodeErrorResult("TaskNotOpen", [result.taskId, 2]));
      expect(await opg.balanceOf(taskEscrow)).to.equal(await owed(money));
      expect((await settlement.pools(1)).settledTasks).to.equal(1n);
    });

    it("gains nothing by capturing during a capture", async () => {
      const money = await withToken("ReentrantToken");
      const { settlement, makeTask, makeResult, signResult, certifyResult, paymentBy, capture, addresses, opg } = money;
      const task = await makeTask();
      const payment = await paymentBy.witness(task);
      const result = await makeResult(task, { payout });
      const [nodeSignature, certificate] = [await signResult(result), await certifyResult(result)];
      const args = [task, result, nodeSignature, certificate, payment] as const;
      const data = settlement.interface.encodeFunctionData("capture", [...args]);
      const answer = await reenter(money, addresses.settlement, data, () => capture(task, payment, { payout }));
      expect(answer).to.equal(money.permit2.interface.encodeErrorResult("InvalidNonce"));
      expect(await opg.balanceOf(money.taskEscrow)).to.equal(await owed(money));
      expect((await settlement.pools(1)).settledTasks).to.equal(1n);
    });

    it("cannot open a second task within the first one's transfer", async () => {
      const money = await withToken("ReentrantToken");
      const { taskEscrow, makeTask, signPayment, opg, addresses } = money;
      const [outer, inner] = [await makeTask({ nonce: 1n }), await makeTask({ nonce: 2n })];
      const token = await ethers.getContractAt("ReentrantToken", addresses.opg);
      const data = taskEscrow.interface.encodeFunctionData("open", [inner, await signPayment(inner)]);
      await token.arm(addresses.taskEscrow, data);
      await expect(taskEscrow.open(outer, await signPayment(outer)))
        .to.be.revertedWithCustomError(taskEscrow, "TransferMismatch")
        .withArgs(outer.maxAmount + inner.maxAmount, outer.maxAmount);
      expect(await opg.balanceOf(taskEscrow)).to.equal(0n);
    });

    it("cannot open the same task within its own transfer", async () => {
      const money = await withToken("ReentrantToken");
      const { taskEscrow, makeTask, signPayment, addresses, opg } = money;
      const task: Task = await makeTask();
      const signature = await signPayment(task);
      const data = taskEscrow.interface.encodeFunctionData("open", [task, signature]);
      const answer = await reenter(money, addresses.taskEscrow, data, () => taskEscrow.open(task, signature));
      expect(answer).to.equal(taskEscrow.interface.encodeErrorResult("TaskNotNew", [await taskEscrow.taskIdOf(task)]));
      expect(await opg.balanceOf(taskEscrow)).to.equal(task.maxAmount);
    });
  });
});
