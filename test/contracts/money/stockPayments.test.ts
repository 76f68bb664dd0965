import { expect } from "chai";
import { id, MaxUint256, type Wallet } from "ethers";
import type { ProxyAuthorization } from "#protocol/proxyPayment.ts";
import type { Task } from "#protocol/task.ts";
import { ethers, loadMoney, type Money, walletOf } from "./moneyFixture.ts";

/** Opens a task under any authorization that a payer may have signed, as any facilitator. */
async function open(money: Money, task: Task, authorization: ProxyAuthorization, by: Wallet) {
  const signature = await money.signUpto(authorization);
  const { validAfter } = authorization.witness;
  return money.taskEscrow.connect(by).openUpto(task, by.address, validAfter, signature);
}

/** What thieves and the careless try with the authorizations of x402's stock clients. */
describe("x402's upto authorizations for tasks", () => {
  it("theft: nobody but the facilitator that the payer named gets at the money, whichever way", async () => {
    const money = await loadMoney();
    const { taskEscrow, facilitatorEntry, permit2, opg, wallets, makeTask, uptoOf, signUpto } = money;
    const { stranger, facilitator, payer } = wallets;
    const task = await makeTask();
    const authorization = uptoOf(task);
    const signature = await signUpto(authorization);
    await taskEscrow.createEntry(stranger.address);
    const ownEntry = await ethers.getContractAt("FacilitatorEntry", await taskEscrow.entryOf(stranger.address));
    const proxy = (await ethers.getContractAt("X402UptoPermit2Proxy", authorization.spender)).connect(stranger);
    const { permitted, nonce, deadline } = authorization;
    const permit = { permitted, nonce, deadline };
    const witness = { to: taskEscrow, facilitator: facilitatorEntry, validAfter: 0n };
    const before = await opg.balanceOf(payer);

    await expect(open(money, task, authorization, stranger)).to.be.revertedWithCustomError(permit2, "InvalidSigner");
    await expect(
      taskEscrow.connect(stranger).openUpto(task, facilitator.address, 0n, signature),
    ).to.be.revertedWithCustomError(facilitatorEntry, "NotASigner");
    await expect(
      money.capture(task, { facilitator: stranger.address, validAfter: 0n, signature }, {}, { by: stranger }),
    ).to.be.revertedWithCustomError(permit2, "InvalidSigner");
    await expect(proxy.settle(permit, 1n, payer, witness, signature)).to.be.revertedWithCustomError(
      proxy,
      "UnauthorizedFacilitator",
    );
    await expect(
      proxy.settle(permit, 1n, payer, { ...witness, facilitator: stranger }, signature),
    ).to.be.revertedWithCustomError(permit2, "InvalidSigner");
    await expect(
      ownEntry.connect(stranger).settle(permit, 1n, payer, { ...witness, to: stranger }, signature),
    ).to.be.revertedWithCustomError(proxy, "UnauthorizedFacilitator");
    const signatureTransfer = "permitTransferFrom(((address,uint256),uint256,uint256),(address,uint256),address,bytes)";
    const details = { to: stranger.address, requestedAmount: 1n };
    await expect(
      permit2.connect(stranger).getFunction(signatureTransfer)(permit, details, payer.address, signature),
    ).to.be.revertedWithCustomError(permit2, "InvalidSigner");
    expect(await opg.balanceOf(payer)).to.equal(before);
  });

  it("sharing: an authorization is worth nothing to any facilitator unless it names that one's entry", async () => {
    const money = await loadMoney();
    const { taskEscrow, permit2, wallets, addresses, makeTask, uptoOf, signUpto } = money;
    const { stranger, facilitator } = wallets;
    await taskEscrow.createEntry(stranger.address);
    const task = await makeTask();
    const shared = [walletOf("shared by all").address, addresses.taskEscrow, facilitator.address];
    for (const named of shared) {
      const witness = { to: addresses.taskEscrow, facilitator: named, validAfter: 0n };
      const authorization = uptoOf(task, { witness });
      for (const by of [facilitator, stranger]) {
        await expect(open(money, task, authorization, by)).to.be.revertedWithCustomError(permit2, "InvalidSigner");
        const payment = { facilitator: by.address, validAfter: 0n, signature: await signUpto(authorization) };
        await expect(money.capture(task, payment, {}, { by })).to.be.revertedWithCustomError(permit2, "InvalidSigner");
      }
    }
    await open(money, task, uptoOf(task), facilitator);
  });

  it("endless deadlines: a task must end within MAX_TASK_SECONDS, and the authorization with it", async () => {
    const money = await loadMoney();
    const { taskEscrow, permit2, wallets, makeTask, uptoOf, paymentBy, capture } = money;
    const endless = await makeTask({ deadline: 2 ** 40 - 1 });
    const [byUpto, byWitness] = [await paymentBy.upto(endless), await paymentBy.witness(endless)];
    const refused = [
      () => open(money, endless, uptoOf(endless), wallets.facilitator),
      () => capture(endless, byUpto, { completedAt: 1 }),
      () => capture(endless, byWitness, { completedAt: 1 }),
    ];
    for (const attempt of refused) await expect(attempt()).to.be.revertedWithCustomError(taskEscrow, "DeadlineTooFar");
    const task = await makeTask();
    const changes = { deadline: MaxUint256 };
    await expect(open(money, task, uptoOf(task, changes), wallets.facilitator)).to.be.revertedWithCustomError(
      permit2,
      "InvalidSigner",
    );
    await expect(capture(task, await paymentBy.upto(task, changes))).to.be.revertedWithCustomError(
      permit2,
      "InvalidSigner",
    );
  });

  it("worthless tokens: nothing is booked for another token than the one in custody", async () => {
    const money = await loadMoney();
    const { taskEscrow, facilitatorEntry, permit2, wallets, entry, makeTask, uptoOf, signUpto, paymentBy } = money;
    const worthless = await ethers.deployContract("OPG", [wallets.payer.address]);
    await worthless.connect(wallets.payer).approve(permit2, MaxUint256);
    const task = await makeTask();
    const permitted = { token: await worthless.getAddress(), amount: task.maxAmount };
    const authorization = uptoOf(task, { permitted });
    await expect(open(money, task, authorization, wallets.facilitator)).to.be.revertedWithCustomError(
      permit2,
      "InvalidSigner",
    );
    await expect(money.capture(task, await paymentBy.upto(task, { permitted }))).to.be.revertedWithCustomError(
      permit2,
      "InvalidSigner",
    );
    const { nonce, deadline, from } = authorization;
    const witness = { to: taskEscrow, facilitator: entry, validAfter: 0n };
    await expect(
      facilitatorEntry
        .connect(wallets.facilitator)
        .settle({ permitted, nonce, deadline }, 1n, from, witness, await signUpto(authorization)),
    ).to.be.revertedWithCustomError(facilitatorEntry, "ReservedForTasks");
    expect(await worthless.balanceOf(taskEscrow)).to.equal(0n);
  });

  it("front-run opens: a capture takes its charge from the lock that somebody else was faster to open", async () => {
    const { taskEscrow, opg, wallets, makeTask, signPayment, paymentBy, capture } = await loadMoney();
    const task = await makeTask({ maxAmount: 1_000n });
    const payment = await paymentBy.witness(task);
    const before = await opg.balanceOf(wallets.payer);
    await taskEscrow.connect(wallets.stranger).open(task, await signPayment(task));
    await capture(task, payment, { amount: 400n });
    expect(await opg.balanceOf(wallets.payer)).to.equal(before - 400n);
    expect((await taskEscrow.locks(await taskEscrow.taskIdOf(task))).amount).to.equal(0n);
  });

  it("one signature for two tasks: the facilitator chooses one, the nonce keeps it from both", async () => {
    const money = await loadMoney();
    const { permit2, makeTask, paymentBy, capture } = money;
    const task = await makeTask();
    const other = { ...task, request: id("another request") };
    const payment = await paymentBy.upto(task);
    await capture(task, payment);
    await expect(capture(other, payment)).to.be.revertedWithCustomError(permit2, "InvalidNonce");
  });
});
