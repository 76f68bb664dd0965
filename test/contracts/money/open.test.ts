import { expect } from "chai";
import { id } from "ethers";
import { authorizationOf, paymentTypedData } from "#protocol/payment.ts";
import type { Task } from "#protocol/task.ts";
import { sign } from "#test/contracts/fixture.ts";
import { ethers, loadMoney, type Money, nextAt, walletOf } from "./moneyFixture.ts";

const NONE = 0n;
const OPEN = 1n;

/** So that a call that must revert is mined at the second chosen for it, instead of being estimated before. */
const unestimated = { gasLimit: 1_000_000 };

/** Opens a task as signed, at the second named. */
async function openAt(money: Money, task: Task, timestamp: number) {
  const signature = await money.signPayment(task);
  await nextAt(timestamp);
  return money.taskEscrow.connect(money.wallets.facilitator).open(task, signature, unestimated);
}

async function open(money: Money, task: Task) {
  return money.taskEscrow.connect(money.wallets.facilitator).open(task, await money.signPayment(task));
}

describe("TaskEscrow.open", () => {
  it("locks the ceiling of the task, whoever submits it", async () => {
    const money = await loadMoney();
    const { taskEscrow, opg, wallets, makeTask } = money;
    const task = await makeTask();
    const taskId = await taskEscrow.taskIdOf(task);
    const opened = taskEscrow.connect(wallets.stranger).open(task, await money.signPayment(task));
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

  it("refuses a task without a ceiling", async () => {
    const money = await loadMoney();
    await expect(open(money, await money.makeTask({ maxAmount: 0n }))).to.be.revertedWithCustomError(
      money.taskEscrow,
      "ZeroAmount",
    );
  });

  it("takes a task in the second of its deadline, and none after it", async () => {
    const money = await loadMoney();
    const [first, second] = [await money.makeTask({ nonce: 1n }), await money.makeTask({ nonce: 2n })];
    await openAt(money, first, first.deadline);
    await expect(openAt(money, second, second.deadline + 1))
      .to.be.revertedWithCustomError(money.taskEscrow, "DeadlinePassed")
      .withArgs(second.deadline);
  });

  it("takes a deadline MAX_TASK_SECONDS ahead, and none farther", async () => {
    const money = await loadMoney();
    const { maxTaskSeconds } = money.parameters;
    expect(await money.taskEscrow.MAX_TASK_SECONDS()).to.equal(maxTaskSeconds);
    const start = (await money.now()) + 10;
    const farthest = await money.makeTask({ nonce: 1n, deadline: start + maxTaskSeconds });
    await openAt(money, farthest, start);
    const farther = await money.makeTask({ nonce: 2n, deadline: start + 1 + maxTaskSeconds + 1 });
    await expect(openAt(money, farther, start + 1))
      .to.be.revertedWithCustomError(money.taskEscrow, "DeadlineTooFar")
      .withArgs(farther.deadline, start + 1 + maxTaskSeconds);
  });

  it("opens a task once, open or closed", async () => {
    const money = await loadMoney();
    const task = await money.openTask();
    const taskId = await money.taskEscrow.taskIdOf(task);
    await expect(open(money, task)).to.be.revertedWithCustomError(money.taskEscrow, "TaskNotNew").withArgs(taskId);
    await money.settle(task);
    await expect(open(money, task)).to.be.revertedWithCustomError(money.taskEscrow, "TaskNotNew").withArgs(taskId);
  });

  it("lets a nonce of a payer fund one task", async () => {
    const money = await loadMoney();
    await money.openTask({ nonce: 5n });
    const another = await money.makeTask({ nonce: 5n, request: id("another") });
    await expect(open(money, another)).to.be.revertedWithCustomError(money.permit2, "InvalidNonce");
  });

  it("refuses a task that differs from the signed one in any field", async () => {
    const money = await loadMoney();
    const task = await money.makeTask();
    const signature = await money.signPayment(task);
    const changes: Partial<Task>[] = [
      { payer: money.wallets.stranger.address },
      { node: money.wallets.stranger.address },
      { model: id("other model") },
      { request: id("other request") },
      { policy: 1 },
      { maxAmount: task.maxAmount + 1n },
      { maxAmount: task.maxAmount - 1n },
      { deadline: task.deadline - 1 },
      { nonce: task.nonce + 1n },
    ];
    for (const change of changes) {
      await expect(money.taskEscrow.open({ ...task, ...change }, signature)).to.be.revertedWithCustomError(
        money.permit2,
        "InvalidSigner",
      );
    }
  });

  it("refuses a signature for another chain, spender or token", async () => {
    const money = await loadMoney();
    const { parameters, addresses, wallets, taskEscrow, permit2, chainId } = money;
    const task = await money.makeTask();
    const terms = {
      token: addresses.opg,
      taskEscrow: addresses.taskEscrow,
      settleWindowSeconds: parameters.settleWindowSeconds,
    };
    const foreign = [
      paymentTypedData(authorizationOf(task, terms), BigInt(chainId + 1)),
      paymentTypedData(authorizationOf(task, { ...terms, taskEscrow: addresses.settlement }), BigInt(chainId)),
      paymentTypedData(authorizationOf(task, { ...terms, token: addresses.settlement }), BigInt(chainId)),
      paymentTypedData(authorizationOf(task, { ...terms, settleWindowSeconds: 0 }), BigInt(chainId)),
    ];
    for (const document of foreign) {
      const signature = await sign(wallets.payer, document);
      await expect(taskEscrow.open(task, signature)).to.be.revertedWithCustomError(permit2, "InvalidSigner");
    }
  });

  it("refuses a payer who signed more than they own", async () => {
    const money = await loadMoney();
    const balance = await money.opg.balanceOf(money.wallets.payer);
    await expect(open(money, await money.makeTask({ maxAmount: balance + 1n }))).to.be.revertedWith(
      "TRANSFER_FROM_FAILED",
    );
  });

  it("leaves nothing behind where it reverts", async () => {
    const money = await loadMoney();
    const task = await money.makeTask({ maxAmount: 10n ** 30n });
    await expect(open(money, task)).to.be.revert(ethers);
    expect((await money.taskEscrow.locks(await money.taskEscrow.taskIdOf(task))).status).to.equal(NONE);
    expect(await money.permit2.getFunction("nonceBitmap")(task.payer, 0)).to.equal(0n);
  });

  it("lets a payer with code fund a task (EIP-1271)", async () => {
    const money = await loadMoney();
    const { opg, wallets, addresses, settle } = money;
    const owner = walletOf("owner of the wallet");
    const wallet = await ethers.deployContract("ContractWallet", [
      owner.address,
      addresses.opg,
      await money.permit2.getAddress(),
    ]);
    await opg.connect(wallets.payer).transfer(wallet, 10_000n);
    const task = await money.makeTask({ payer: await wallet.getAddress(), maxAmount: 10_000n });
    await expect(money.taskEscrow.open(task, await money.signPayment(task))).to.be.revertedWithCustomError(
      money.permit2,
      "InvalidContractSignature",
    );
    await money.taskEscrow.open(task, await money.signPayment(task, owner));
    await expect(settle(task, { amount: 4_000n })).to.changeTokenBalance(ethers, opg, wallet, 6_000n);
  });
});
