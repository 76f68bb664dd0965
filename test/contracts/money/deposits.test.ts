import { expect } from "chai";
import { Signature } from "ethers";
import { depositNonce } from "#protocol/deposit.ts";
import { type Accounts, ann, bob, funded, loadAccounts } from "./accountsFixture.ts";
import { authorizationOf, depositWays, permit2SignatureOf, permitOf, salt } from "./depositWays.ts";
import { ethers, nextAt } from "./moneyFixture.ts";

for (const [way, deposit] of Object.entries(depositWays)) {
  describe(`Accounts.${way}`, () => {
    it("funds the account of who pays, and tells", async () => {
      const accounts = await loadAccounts();
      const { taskEscrow, opg, wallets, accountOf } = accounts;
      const deposited = deposit(accounts);
      await expect(deposited)
        .to.emit(taskEscrow, "Deposited")
        .withArgs(wallets.payer.address, wallets.facilitator.address, wallets.payer.address, 100n);
      await expect(deposited).to.changeTokenBalances(ethers, opg, [wallets.payer, taskEscrow], [-100n, 100n]);
      expect(await accountOf()).to.deep.equal({ balance: 100n, spent: 0n, withdrawing: 0n, withdrawableAt: 0n });
    });

    it("funds the account of another, who alone can use and withdraw it", async () => {
      const accounts = await loadAccounts();
      const { taskEscrow, opg, wallets, accountOf, settleBatch, now, parameters } = accounts;
      await expect(deposit(accounts, { payer: ann }))
        .to.emit(taskEscrow, "Deposited")
        .withArgs(ann.address, wallets.facilitator.address, wallets.payer.address, 100n);
      expect(await accountOf()).to.include({ balance: 0n });
      await expect(settleBatch([{ payer: ann, amount: 1n, signer: wallets.payer }])).to.be.revertedWithCustomError(
        taskEscrow,
        "NotAuthorized",
      );
      await settleBatch([{ payer: ann, amount: 40n }]);
      await taskEscrow.connect(await funded(ann)).initiateWithdraw(wallets.facilitator, 60n);
      await nextAt((await now()) + parameters.withdrawDelaySeconds);
      await taskEscrow.finalizeWithdraw(ann, wallets.facilitator);
      expect(await opg.balanceOf(ann)).to.equal(60n);
    });

    it("adds to what is there", async () => {
      const accounts = await loadAccounts();
      await accounts.deposit(11n, ann);
      await deposit(accounts, { payer: ann });
      expect(await accounts.accountOf(ann)).to.include({ balance: 111n });
    });

    it("is an entry: a pause stops it", async () => {
      const accounts = await loadAccounts();
      await accounts.setPaused(true);
      await expect(deposit(accounts)).to.be.revertedWithCustomError(accounts.taskEscrow, "EntriesPaused");
      await accounts.setPaused(false);
      await deposit(accounts);
    });

    it("takes no deposit of nothing, none for nobody, and none that is not there", async () => {
      const accounts = await loadAccounts();
      const { taskEscrow, opg, wallets } = accounts;
      await expect(deposit(accounts, { amount: 0n })).to.be.revertedWithCustomError(taskEscrow, "ZeroAmount");
      const nobody = { address: ethers.ZeroAddress };
      await expect(deposit(accounts, { payer: nobody })).to.be.revertedWithCustomError(taskEscrow, "ZeroPayer");
      const amount = (await opg.balanceOf(wallets.payer)) + 1n;
      await expect(deposit(accounts, { amount })).to.be.revert(ethers);
      expect(await accounts.accountOf()).to.include({ balance: 0n });
    });
  });
}

describe("A deposit that somebody else saw before", () => {
  /** What a thief would change in a deposit of the payer's: whose account, or at whom. */
  const redirected = ({ wallets }: Accounts) => [
    { payer: bob.address, facilitator: wallets.facilitator.address },
    { payer: wallets.payer.address, facilitator: bob.address },
  ];

  it("by Permit2 or by the token's authorization can be submitted by anyone, and lands where it was meant to", async () => {
    for (const way of ["depositWithPermit2", "depositWithAuthorization"]) {
      const accounts = await loadAccounts();
      await depositWays[way]?.(accounts, { by: accounts.wallets.stranger });
      expect(await accounts.accountOf()).to.include({ balance: 100n });
    }
  });

  it("by Permit2 lands in no other account, and once", async () => {
    const accounts = await loadAccounts();
    const { taskEscrow, permit2, wallets } = accounts;
    const { nonce, deadline, signature } = await permit2SignatureOf(accounts, {});
    const byThief = taskEscrow.connect(wallets.stranger);
    for (const { payer, facilitator } of redirected(accounts)) {
      await expect(
        byThief.depositWithPermit2(wallets.payer, payer, facilitator, 100n, nonce, deadline, signature),
      ).to.be.revertedWithCustomError(permit2, "InvalidSigner");
    }
    const again = () =>
      byThief.depositWithPermit2(wallets.payer, wallets.payer, wallets.facilitator, 100n, nonce, deadline, signature);
    await again();
    await expect(again()).to.be.revertedWithCustomError(permit2, "InvalidNonce");
  });

  it("by Permit2 is no payment for a task, nor is a task's payment a deposit", async () => {
    const accounts = await loadAccounts();
    const { taskEscrow, permit2, wallets, makeTask, signPayment, parameters } = accounts;
    const task = await makeTask({ maxAmount: 100n, nonce: 7n });
    const { signature } = await permit2SignatureOf(accounts, {});
    await expect(taskEscrow.open(task, signature)).to.be.revertedWithCustomError(permit2, "InvalidSigner");
    const deadline = task.deadline + parameters.settleWindowSeconds;
    const { payer, facilitator } = wallets;
    await expect(
      taskEscrow.depositWithPermit2(payer, payer, facilitator, 100n, 7n, deadline, await signPayment(task)),
    ).to.be.revertedWithCustomError(permit2, "InvalidSigner");
  });

  it("by the token's authorization lands in no other account, and once", async () => {
    const accounts = await loadAccounts();
    const { taskEscrow, opg, wallets } = accounts;
    const { owner, validAfter, validBefore, signature } = await authorizationOf(accounts, {});
    const byThief = taskEscrow.connect(wallets.stranger);
    for (const { payer, facilitator } of redirected(accounts)) {
      await expect(
        byThief.depositWithAuthorization(owner, payer, facilitator, 100n, validAfter, validBefore, salt, signature),
      ).to.be.revertedWithCustomError(opg, "ERC3009InvalidSignature");
    }
    const again = () =>
      byThief.depositWithAuthorization(
        owner,
        wallets.payer,
        wallets.facilitator,
        100n,
        validAfter,
        validBefore,
        salt,
        signature,
      );
    await again();
    await expect(again()).to.be.revertedWithCustomError(opg, "ERC3009UsedAuthorization");
  });

  it("by the token's authorization cannot be taken past the escrow", async () => {
    const accounts = await loadAccounts();
    const { opg, wallets, addresses } = accounts;
    const { owner, validAfter, validBefore, signature } = await authorizationOf(accounts, {});
    const nonce = depositNonce(owner, wallets.facilitator.address, salt);
    const { v, r, s } = Signature.from(signature);
    const byThief = opg.connect(wallets.stranger);
    const args = [owner, addresses.taskEscrow, 100n, validAfter, validBefore, nonce, v, r, s] as const;
    await expect(byThief.receiveWithAuthorization(...args)).to.be.revertedWithCustomError(opg, "ERC20InvalidReceiver");
    await expect(byThief.transferWithAuthorization(...args)).to.be.revertedWithCustomError(
      opg,
      "ERC3009InvalidSignature",
    );
  });

  it("by a permit is made although somebody else submitted the permit before", async () => {
    const accounts = await loadAccounts();
    const { taskEscrow, opg, wallets, addresses, accountOf } = accounts;
    await opg.connect(wallets.payer).approve(addresses.taskEscrow, 0n);
    const { deadline, v, r, s } = await permitOf(accounts, {});
    await opg.connect(wallets.stranger).permit(wallets.payer, taskEscrow, 100n, deadline, v, r, s);
    await taskEscrow
      .connect(wallets.payer)
      .depositWithPermit(wallets.payer, wallets.facilitator, 100n, deadline, v, r, s);
    expect(await accountOf()).to.include({ balance: 100n });
    expect(await opg.allowance(wallets.payer, taskEscrow)).to.equal(0n);
  });

  it("by a permit is the sender's alone: nobody spends the allowance of another", async () => {
    const accounts = await loadAccounts();
    const { taskEscrow, opg, wallets } = accounts;
    const { deadline, v, r, s } = await permitOf(accounts, {});
    const byThief = taskEscrow.connect(wallets.stranger);
    await expect(
      byThief.depositWithPermit(wallets.stranger, wallets.stranger, 100n, deadline, v, r, s),
    ).to.be.revertedWithCustomError(opg, "ERC20InsufficientAllowance");
    await expect(byThief.deposit(wallets.stranger, wallets.stranger, 100n)).to.be.revertedWithCustomError(
      opg,
      "ERC20InsufficientAllowance",
    );
  });

  it("by a permit that is wrong, over no allowance, brings nothing", async () => {
    const accounts = await loadAccounts();
    const { taskEscrow, opg, wallets, addresses } = accounts;
    await opg.connect(wallets.payer).approve(addresses.taskEscrow, 0n);
    const { deadline, v, r, s } = await permitOf(accounts, { amount: 99n });
    await expect(
      taskEscrow.connect(wallets.payer).depositWithPermit(wallets.payer, wallets.facilitator, 100n, deadline, v, r, s),
    )
      .to.be.revertedWithCustomError(opg, "ERC20InsufficientAllowance")
      .withArgs(addresses.taskEscrow, 0n, 100n);
  });
});
