import { expect } from "chai";
import { ann, funded, loadAccounts } from "./accountsFixture.ts";
import { ethers, mineAt, nextAt } from "./moneyFixture.ts";

/** Ann has 1,000 at the facilitator, and ether. */
async function withAnn() {
  const accounts = await loadAccounts();
  const { deposit, taskEscrow, wallets, now, parameters } = accounts;
  await deposit(1_000n, ann);
  const byAnn = taskEscrow.connect(await funded(ann));
  return {
    ...accounts,
    initiate: (amount: bigint) => byAnn.initiateWithdraw(wallets.facilitator, amount),
    /** By somebody who has no part in it. */
    finalize: () => taskEscrow.connect(wallets.stranger).finalizeWithdraw(ann, wallets.facilitator),
    /** Lets the delay of what was initiated last pass. */
    matured: async () => mineAt((await now()) + parameters.withdrawDelaySeconds - 1),
  };
}

describe("Accounts.initiateWithdraw", () => {
  it("begins a delay and tells; nothing moves yet", async () => {
    const { initiate, accountOf, taskEscrow, opg, wallets, now, parameters } = await withAnn();
    const at = (await now()) + 10;
    const withdrawableAt = at + parameters.withdrawDelaySeconds;
    await nextAt(at);
    await expect(initiate(300n))
      .to.emit(taskEscrow, "WithdrawalInitiated")
      .withArgs(ann.address, wallets.facilitator.address, 300n, withdrawableAt);
    const expected = { balance: 1_000n, spent: 0n, withdrawing: 300n, withdrawableAt: BigInt(withdrawableAt) };
    expect(await accountOf(ann)).to.deep.equal(expected);
    expect(await opg.balanceOf(ann)).to.equal(0n);
  });

  it("takes the place of the one before, and the delay begins anew", async () => {
    const { initiate, finalize, accountOf, taskEscrow, opg, now, parameters } = await withAnn();
    await initiate(300n);
    const first = (await now()) + parameters.withdrawDelaySeconds;
    await nextAt(first - 1);
    await initiate(200n);
    const second = first - 1 + parameters.withdrawDelaySeconds;
    expect(await accountOf(ann)).to.include({ withdrawing: 200n, withdrawableAt: BigInt(second) });
    await nextAt(first);
    await expect(finalize()).to.be.revertedWithCustomError(taskEscrow, "WithdrawalTooEarly").withArgs(second);
    await nextAt(second);
    await finalize();
    expect(await opg.balanceOf(ann)).to.equal(200n);
  });

  it("asks for nothing any more with 0", async () => {
    const { initiate, finalize, accountOf, taskEscrow, matured, wallets } = await withAnn();
    await initiate(300n);
    await expect(initiate(0n))
      .to.emit(taskEscrow, "WithdrawalInitiated")
      .withArgs(ann.address, wallets.facilitator.address, 0n, 0n);
    expect(await accountOf(ann)).to.include({ withdrawing: 0n, withdrawableAt: 0n });
    await matured();
    await expect(finalize())
      .to.be.revertedWithCustomError(taskEscrow, "NothingWithdrawing")
      .withArgs(ann.address, wallets.facilitator.address);
  });
});

describe("Accounts.finalizeWithdraw", () => {
  it("pays the payer from the last second of the delay on, whoever calls it, once", async () => {
    const { initiate, finalize, accountOf, taskEscrow, opg, wallets, now, parameters } = await withAnn();
    await initiate(300n);
    const withdrawableAt = (await now()) + parameters.withdrawDelaySeconds;
    await nextAt(withdrawableAt - 1);
    await expect(finalize()).to.be.revertedWithCustomError(taskEscrow, "WithdrawalTooEarly").withArgs(withdrawableAt);
    await nextAt(withdrawableAt);
    const finalized = finalize();
    await expect(finalized)
      .to.emit(taskEscrow, "AccountWithdrawn")
      .withArgs(ann.address, wallets.facilitator.address, 300n);
    await expect(finalized).to.changeTokenBalances(ethers, opg, [taskEscrow, ann], [-300n, 300n]);
    expect(await accountOf(ann)).to.deep.equal({ balance: 700n, spent: 0n, withdrawing: 0n, withdrawableAt: 0n });
    await expect(finalize()).to.be.revertedWithCustomError(taskEscrow, "NothingWithdrawing");
  });

  it("pays what is there where less is left than was asked for", async () => {
    const { initiate, finalize, accountOf, opg, settleBatch, matured } = await withAnn();
    await initiate(2n ** 96n - 1n);
    await settleBatch([{ payer: ann, amount: 400n }]);
    await matured();
    await finalize();
    expect(await opg.balanceOf(ann)).to.equal(600n);
    expect(await accountOf(ann)).to.deep.equal({ balance: 0n, spent: 400n, withdrawing: 0n, withdrawableAt: 0n });
  });

  it("makes no token call where nothing is left", async () => {
    const { initiate, finalize, opg, settleBatch, matured } = await withAnn();
    await initiate(10n);
    await settleBatch([{ payer: ann, amount: 1_000n }]);
    await matured();
    await expect(finalize()).not.to.emit(opg, "Transfer");
  });

  it("races a batch to one of two ends: what is finalized first is gone for the batch, all of it", async () => {
    const { initiate, finalize, plan, submit, taskEscrow, matured } = await withAnn();
    await initiate(700n);
    const planned = await plan([{ payer: ann, amount: 400n }]);
    await matured();
    await finalize();
    await expect(submit(planned))
      .to.be.revertedWithCustomError(taskEscrow, "BalanceTooLow")
      .withArgs(ann.address, 300n, 400n);
  });

  it("races a batch to one of two ends: what a batch took first, also long after the delay, is not withdrawn", async () => {
    const { initiate, finalize, settleBatch, opg, matured, now } = await withAnn();
    await initiate(700n);
    await matured();
    await mineAt((await now()) + 86_400);
    await settleBatch([{ payer: ann, amount: 400n }]);
    await finalize();
    expect(await opg.balanceOf(ann)).to.equal(600n);
  });

  it("concerns one account: what the payer has elsewhere, and what others have, stays", async () => {
    const { initiate, finalize, deposit, accountOf, wallets, matured } = await withAnn();
    await deposit(50n, ann, wallets.stranger.address);
    await deposit(70n);
    await initiate(1_000n);
    await matured();
    await finalize();
    expect(await accountOf(ann)).to.include({ balance: 0n });
    expect(await accountOf(ann, wallets.stranger.address)).to.include({ balance: 50n, withdrawing: 0n });
    expect(await accountOf()).to.include({ balance: 70n });
  });

  it("is not stopped by a pause", async () => {
    const { initiate, finalize, setPaused, opg, matured } = await withAnn();
    await setPaused(true);
    await initiate(1_000n);
    await matured();
    await finalize();
    expect(await opg.balanceOf(ann)).to.equal(1_000n);
  });
});
