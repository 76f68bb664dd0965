import { expect } from "chai";
import { id } from "ethers";
import type { Task } from "#protocol/task.ts";
import { ethers, loadMoney, type Money, nextAt, walletOf } from "./moneyFixture.ts";

const OPEN = 1n;

/** So that a call that must revert is mined at the second chosen for it, instead of being estimated before. */
const unestimated = { gasLimit: 1_000_000 };

/** Opens a task by its payer's `upto`, as the facilitator. */
async function openUpto({ taskEscrow, wallets, uptoOf, signUpto }: Money, task: Task) {
  const { facilitator } = wallets;
  const signature = await signUpto(uptoOf(task));
  return taskEscrow.connect(facilitator).openUpto(task, facilitator.address, 0n, signature, unestimated);
}

describe("TaskEscrow.openUpto", () => {
  it("locks the ceiling of the task", async () => {
    const money = await loadMoney();
    const { taskEscrow, opg, wallets, makeTask } = money;
    const task = await makeTask();
    const taskId = await taskEscrow.taskIdOf(task);
    const opened = openUpto(money, task);
    await expect(opened)
      .to.emit(taskEscrow, "TaskOpened")
      .withArgs(taskId, task.payer, task.node, task.model, task.maxAmount, task.deadline);
    await expect(opened).to.changeTokenBalances(
      ethers,
      opg,
      [wallets.payer, taskEscrow],
      [-task.maxAmount, task.maxAmount],
    );
    const { amount, deadline, status } = await taskEscrow.locks(taskId);
    expect([amount, deadline, status]).to.deep.equal([task.maxAmount, BigInt(task.deadline), OPEN]);
  });

  it("gives a lock like any other: it is settled, refused or refunded", async () => {
    const { opg, wallets, openTaskUpto, settle, refuse, taskEscrow, parameters } = await loadMoney();
    const before = await opg.balanceOf(wallets.payer);
    const settled = await openTaskUpto({ nonce: 1n, maxAmount: 1_000n });
    const refused = await openTaskUpto({ nonce: 2n, maxAmount: 1_000n });
    const overdue = await openTaskUpto({ nonce: 3n, maxAmount: 1_000n });
    await settle(settled, { amount: 400n });
    await refuse(refused);
    await nextAt(overdue.deadline + parameters.settleWindowSeconds + 1);
    await taskEscrow.refund(overdue);
    expect(await opg.balanceOf(wallets.payer)).to.equal(before - 400n);
  });

  it("is for the signers of the entry that the payer named", async () => {
    const { taskEscrow, facilitatorEntry, wallets, makeTask, uptoOf, signUpto } = await loadMoney();
    const { facilitator, stranger } = wallets;
    const task = await makeTask();
    const signature = await signUpto(uptoOf(task));
    const byStranger = () => taskEscrow.connect(stranger).openUpto(task, facilitator.address, 0n, signature);
    await expect(byStranger()).to.be.revertedWithCustomError(facilitatorEntry, "NotASigner").withArgs(stranger.address);
    await facilitatorEntry.connect(facilitator).setSigner(stranger.address, true);
    await byStranger();
  });

  it("refuses a task without a ceiling", async () => {
    const money = await loadMoney();
    await expect(openUpto(money, await money.makeTask({ maxAmount: 0n }))).to.be.revertedWithCustomError(
      money.taskEscrow,
      "ZeroAmount",
    );
  });

  it("takes a task in the second of its deadline, and none after it", async () => {
    const money = await loadMoney();
    const [first, second] = [await money.makeTask({ nonce: 1n }), await money.makeTask({ nonce: 2n })];
    await nextAt(first.deadline);
    await openUpto(money, first);
    await nextAt(second.deadline + 1);
    await expect(openUpto(money, second))
      .to.be.revertedWithCustomError(money.taskEscrow, "DeadlinePassed")
      .withArgs(second.deadline);
  });

  it("opens a task once, whichever way it was opened before", async () => {
    const money = await loadMoney();
    const { taskEscrow, signPayment } = money;
    const [byWitness, byUpto] = [await money.openTask({ nonce: 1n }), await money.openTaskUpto({ nonce: 2n })];
    for (const task of [byWitness, byUpto]) {
      const taskId = await taskEscrow.taskIdOf(task);
      await expect(openUpto(money, task)).to.be.revertedWithCustomError(taskEscrow, "TaskNotNew").withArgs(taskId);
      await expect(taskEscrow.open(task, await signPayment(task)))
        .to.be.revertedWithCustomError(taskEscrow, "TaskNotNew")
        .withArgs(taskId);
    }
  });

  it("shares the payer's nonces with tasks that are opened by their witness", async () => {
    const money = await loadMoney();
    await money.openTask({ nonce: 5n });
    const another = await money.makeTask({ nonce: 5n, request: id("another") });
    await expect(openUpto(money, another)).to.be.revertedWithCustomError(money.permit2, "InvalidNonce");
  });

  it("does not open before the authorization is valid", async () => {
    const { taskEscrow, wallets, entry, addresses, now, makeTask, uptoOf, signUpto } = await loadMoney();
    const task = await makeTask();
    const validAfter = BigInt((await now()) + 60);
    const witness = { to: addresses.taskEscrow, facilitator: entry, validAfter };
    const signature = await signUpto(uptoOf(task, { witness }));
    const open = () =>
      taskEscrow
        .connect(wallets.facilitator)
        .openUpto(task, wallets.facilitator.address, validAfter, signature, unestimated);
    const proxy = await ethers.getContractAt("X402UptoPermit2Proxy", uptoOf(task).spender);
    await nextAt(Number(validAfter) - 1);
    await expect(open()).to.be.revertedWithCustomError(proxy, "PaymentTooEarly");
    await nextAt(Number(validAfter));
    await open();
  });

  it("says so where a facilitator has no entry", async () => {
    const { taskEscrow, wallets, makeTask, uptoOf, signUpto } = await loadMoney();
    const { stranger } = wallets;
    const task = await makeTask();
    const signature = await signUpto(uptoOf(task));
    await expect(taskEscrow.connect(stranger).openUpto(task, stranger.address, 0n, signature))
      .to.be.revertedWithCustomError(taskEscrow, "NoEntry")
      .withArgs(stranger.address);
  });

  it("lets a payer with code fund a task (EIP-1271)", async () => {
    const money = await loadMoney();
    const { opg, wallets, addresses, taskEscrow, permit2, uptoOf, signUpto } = money;
    const owner = walletOf("owner of the wallet");
    const permit2Address = await permit2.getAddress();
    const wallet = await ethers.deployContract("ContractWallet", [owner.address, addresses.opg, permit2Address]);
    await opg.connect(wallets.payer).transfer(wallet, 10_000n);
    const task = await money.makeTask({ payer: await wallet.getAddress(), maxAmount: 10_000n });
    const signature = await signUpto(uptoOf(task), owner);
    const { address } = wallets.facilitator;
    await taskEscrow.connect(wallets.facilitator).openUpto(task, address, 0n, signature);
    await expect(money.settle(task, { amount: 4_000n })).to.changeTokenBalance(ethers, opg, wallet, 6_000n);
  });
});
