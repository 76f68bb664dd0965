import { expect } from "chai";
import { artifacts } from "hardhat";
import { type Accounts, loadAccounts } from "./accountsFixture.ts";
import { depositWays } from "./depositWays.ts";
import { ethers, mineAt, networkHelpers } from "./moneyFixture.ts";

type TokenName = "FeeToken" | "LyingToken" | "RefusingToken" | "ReentrantToken";

/** The network with another token's code where OPG's was; balances and approvals are as they were. */
async function withToken(name: TokenName): Promise<Accounts> {
  const accounts = await loadAccounts();
  const { deployedBytecode } = await artifacts.readArtifact(name);
  await networkHelpers.setCode(accounts.addresses.opg, deployedBytecode);
  return accounts;
}

/** The payer has 1,000 and is about to withdraw 600 of them. */
async function withWithdrawal(name: TokenName): Promise<Accounts> {
  const accounts = await withToken(name);
  const { deposit, taskEscrow, wallets, now, parameters } = accounts;
  await deposit(1_000n);
  await taskEscrow.connect(wallets.payer).initiateWithdraw(wallets.facilitator, 600n);
  await mineAt((await now()) + parameters.withdrawDelaySeconds);
  return accounts;
}

describe("Accounts with a hostile token", () => {
  for (const way of ["deposit", "depositWithPermit2"] as const) {
    it(`that keeps a fee take no ${way}: what arrived is not what was to be booked`, async () => {
      const accounts = await withToken("FeeToken");
      await expect(depositWays[way]?.(accounts))
        .to.be.revertedWithCustomError(accounts.taskEscrow, "TransferMismatch")
        .withArgs(99n, 100n);
    });
  }

  for (const way of ["deposit", "depositWithPermit2", "depositWithAuthorization"] as const) {
    it(`that lies take no ${way}: nothing is booked for nothing`, async () => {
      const accounts = await withToken("LyingToken");
      await expect(depositWays[way]?.(accounts))
        .to.be.revertedWithCustomError(accounts.taskEscrow, "TransferMismatch")
        .withArgs(0n, 100n);
      expect(await accounts.accountOf()).to.include({ balance: 0n });
    });
  }

  it("that returns false take no deposit, and keep a withdrawal for later instead of losing it", async () => {
    const accounts = await withWithdrawal("RefusingToken");
    const { taskEscrow, wallets, addresses, accountOf, deposit, opg } = accounts;
    const token = await ethers.getContractAt("RefusingToken", addresses.opg);
    for (const account of [wallets.payer.address, addresses.taskEscrow]) await token.setRefused(account, true);
    const finalize = () => taskEscrow.finalizeWithdraw(wallets.payer, wallets.facilitator);
    for (const call of [() => deposit(1n), finalize]) {
      await expect(call())
        .to.be.revertedWithCustomError(taskEscrow, "SafeERC20FailedOperation")
        .withArgs(addresses.opg);
    }
    expect(await accountOf()).to.include({ balance: 1_000n, withdrawing: 600n });
    await token.setRefused(wallets.payer.address, false);
    await finalize();
    expect(await opg.balanceOf(taskEscrow)).to.equal(400n);
  });

  it("that refuses one payer still settle for all others, and for that one", async () => {
    const accounts = await withWithdrawal("RefusingToken");
    const { wallets, addresses, settleBatch, accountOf } = accounts;
    await (await ethers.getContractAt("RefusingToken", addresses.opg)).setRefused(wallets.payer.address, true);
    await settleBatch([{ payer: wallets.payer, amount: 10n }]);
    expect(await accountOf()).to.include({ spent: 10n });
  });

  describe("that calls back", () => {
    /** Arms the token with a call into the escrow, runs `outer`, and returns how the inner call ended. */
    async function reenter({ addresses }: Accounts, data: string, outer: () => Promise<unknown>): Promise<string> {
      const token = await ethers.getContractAt("ReentrantToken", addresses.opg);
      await token.arm(addresses.taskEscrow, data);
      await outer();
      expect([await token.reentered(), await token.succeeded()]).to.deep.equal([true, false]);
      return token.answer();
    }

    const finalizeCall = ({ taskEscrow, wallets }: Accounts): string =>
      taskEscrow.interface.encodeFunctionData("finalizeWithdraw", [wallets.payer.address, wallets.facilitator.address]);

    it("gain nothing by finalizing during a finalization", async () => {
      const accounts = await withWithdrawal("ReentrantToken");
      const { taskEscrow, wallets, opg } = accounts;
      const { payer, facilitator } = wallets;
      const answer = await reenter(accounts, finalizeCall(accounts), () =>
        taskEscrow.finalizeWithdraw(payer, facilitator),
      );
      const expected = [payer.address, facilitator.address];
      expect(answer).to.equal(taskEscrow.interface.encodeErrorResult("NothingWithdrawing", expected));
      expect(await opg.balanceOf(taskEscrow)).to.equal(400n);
    });

    it("gain nothing by withdrawing within a deposit: what comes in must be there at its end", async () => {
      const accounts = await withWithdrawal("ReentrantToken");
      const { taskEscrow, deposit, opg, addresses } = accounts;
      const token = await ethers.getContractAt("ReentrantToken", addresses.opg);
      await token.arm(addresses.taskEscrow, finalizeCall(accounts));
      // 700 come in and 600 go out.
      await expect(deposit(700n)).to.be.revertedWithCustomError(taskEscrow, "TransferMismatch").withArgs(100n, 700n);
      // More goes out than comes in.
      await expect(deposit(1n)).to.be.revertedWithPanic(0x11);
      expect(await opg.balanceOf(taskEscrow)).to.equal(1_000n);
    });

    it("cannot deposit twice by one transfer", async () => {
      const accounts = await withToken("ReentrantToken");
      const { taskEscrow, makeTask, signPayment, deposit, opg, addresses } = accounts;
      const token = await ethers.getContractAt("ReentrantToken", addresses.opg);
      const task = await makeTask({ maxAmount: 70n });
      await token.arm(
        addresses.taskEscrow,
        taskEscrow.interface.encodeFunctionData("open", [task, await signPayment(task)]),
      );
      await expect(deposit(100n)).to.be.revertedWithCustomError(taskEscrow, "TransferMismatch").withArgs(170n, 100n);
      expect(await opg.balanceOf(taskEscrow)).to.equal(0n);
    });
  });
});
