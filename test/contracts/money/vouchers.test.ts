import { expect } from "chai";
import { concat, ZeroAddress } from "ethers";
import { type Accounts, ann, bob, type Charge, funded, impersonated, loadAccounts } from "./accountsFixture.ts";
import { ethers, networkHelpers, nextAt, walletOf } from "./moneyFixture.ts";

const key = walletOf("a key for vouchers");

/** Ann has 1,000 at the facilitator. */
async function withFunds(): Promise<Accounts> {
  const accounts = await loadAccounts();
  await accounts.deposit(1_000n, ann);
  return accounts;
}

/** As whose the signature was read is left open: over another digest it is that of an address that nobody has. */
async function expectRefused({ settleBatch, taskEscrow, accountOf }: Accounts, charge: Charge): Promise<void> {
  const before = await accountOf(charge.payer);
  await expect(settleBatch([charge])).to.be.revertedWithCustomError(taskEscrow, "NotAuthorized");
  expect(await accountOf(charge.payer)).to.deep.equal(before);
}

describe("A voucher", () => {
  describe("is a ceiling for the account's whole life", () => {
    it("under which several batches take what they add up to, and not one unit more", async () => {
      const { settleBatch, taskEscrow } = await withFunds();
      await settleBatch([{ payer: ann, amount: 250n, cap: 400n }]);
      await settleBatch([{ payer: ann, amount: 150n, cap: 400n }]);
      await expect(settleBatch([{ payer: ann, amount: 1n, cap: 400n }]))
        .to.be.revertedWithCustomError(taskEscrow, "CapExceeded")
        .withArgs(ann.address, 400n, 1n, 400n);
    });

    it("that is worth nothing below what was spent", async () => {
      const { settleBatch, taskEscrow } = await withFunds();
      await settleBatch([{ payer: ann, amount: 400n }]);
      await expect(settleBatch([{ payer: ann, amount: 0n, cap: 399n }]))
        .to.be.revertedWithCustomError(taskEscrow, "CapExceeded")
        .withArgs(ann.address, 400n, 0n, 399n);
    });

    it("that a withdrawal and a new deposit do not lower", async () => {
      const { settleBatch, deposit, accountOf, taskEscrow, wallets, now, parameters } = await withFunds();
      await settleBatch([{ payer: ann, amount: 400n }]);
      const payer = await funded(ann);
      await taskEscrow.connect(payer).initiateWithdraw(wallets.facilitator, 600n);
      await nextAt((await now()) + parameters.withdrawDelaySeconds);
      await taskEscrow.finalizeWithdraw(ann, wallets.facilitator);
      await deposit(50n, ann);
      expect(await accountOf(ann)).to.include({ balance: 50n, spent: 400n });
      await expect(settleBatch([{ payer: ann, amount: 1n, cap: 400n }])).to.be.revertedWithCustomError(
        taskEscrow,
        "CapExceeded",
      );
      await settleBatch([{ payer: ann, amount: 50n, cap: 450n }]);
    });

    it("that may lie beyond the balance, which bounds it", async () => {
      const { settleBatch, taskEscrow } = await withFunds();
      await expect(settleBatch([{ payer: ann, amount: 1_001n, cap: 5_000n }]))
        .to.be.revertedWithCustomError(taskEscrow, "BalanceTooLow")
        .withArgs(ann.address, 1_000n, 1_001n);
      await settleBatch([{ payer: ann, amount: 1_000n, cap: 5_000n }]);
    });

    it("of at most 96 bits", async () => {
      const accounts = await withFunds();
      const most = 2n ** 96n - 1n;
      await accounts.settleBatch([{ payer: ann, amount: 1n, cap: most }]);
      await expectRefused(accounts, { payer: ann, amount: 1n, cap: most, voucher: { cap: most + 1n } });
    });
  });

  describe("binds", () => {
    const others: [string, (accounts: Accounts) => Partial<Charge>][] = [
      ["payer", () => ({ voucher: { payer: bob.address } })],
      ["facilitator", ({ wallets }) => ({ voucher: { facilitator: wallets.stranger.address } })],
      ["cap", () => ({ voucher: { cap: 101n } })],
      ["chain", () => ({ domain: { chainId: 1n } })],
      ["contract", ({ addresses }) => ({ domain: { verifyingContract: addresses.settlement } })],
    ];
    for (const [what, changes] of others) {
      it(`one ${what}`, async () => {
        const accounts = await withFunds();
        await expectRefused(accounts, { payer: ann, amount: 100n, ...changes(accounts) });
      });
    }

    it("one facilitator: what is at another is out of its reach", async () => {
      const { plan, submit, deposit, taskEscrow, wallets } = await withFunds();
      const { stranger } = wallets;
      const charge = { payer: ann, amount: 100n, voucher: { facilitator: stranger.address } };
      const planned = await plan([charge], { facilitator: stranger.address, previous: ethers.ZeroHash });
      await expect(submit(planned, { by: stranger }))
        .to.be.revertedWithCustomError(taskEscrow, "BalanceTooLow")
        .withArgs(ann.address, 0n, 100n);
      await deposit(100n, ann, stranger.address);
      await submit(planned, { by: stranger });
    });
  });

  it("is the authorizer's: of another key it is worth nothing", async () => {
    const accounts = await withFunds();
    const { settleBatch, taskEscrow, wallets } = accounts;
    for (const signer of [bob, wallets.facilitator, ...wallets.verifiers]) {
      await expect(settleBatch([{ payer: ann, amount: 1n, signer }]))
        .to.be.revertedWithCustomError(taskEscrow, "NotAuthorized")
        .withArgs(ann.address, signer.address);
    }
  });

  it("needs a signature that recovers to somebody: no account is nobody's", async () => {
    const { plan, submit, deposit, taskEscrow } = await withFunds();
    const planned = await plan([{ payer: ann, amount: 1n }]);
    const [debit] = planned.debits as [(typeof planned.debits)[0]];
    const nothing = { ...debit, r: ethers.ZeroHash, vs: ethers.ZeroHash };
    await expect(submit({ ...planned, debits: [nothing] }))
      .to.be.revertedWithCustomError(taskEscrow, "NotAuthorized")
      .withArgs(ann.address, ZeroAddress);
    await expect(deposit(1n, { address: ZeroAddress })).to.be.revertedWithCustomError(taskEscrow, "ZeroPayer");
    const forNobody = await plan([
      { payer: { address: ZeroAddress, signTypedData: ann.signTypedData.bind(ann) }, amount: 0n },
    ]);
    await expect(submit({ ...forNobody, debits: [{ ...nothing, share: ethers.ZeroHash }] }))
      .to.be.revertedWithCustomError(taskEscrow, "PayersNotAscending")
      .withArgs(ZeroAddress, ZeroAddress);
  });

  describe("of a payer with code", () => {
    it("is its own key's where it is delegated (EIP-7702), whatever the code says", async () => {
      const { settleBatch, accountOf, opg, wallets } = await withFunds();
      const wallet = await ethers.deployContract("ContractWallet", [wallets.stranger, opg, wallets.stranger]);
      await networkHelpers.setCode(ann.address, concat(["0xef0100", await wallet.getAddress()]));
      await settleBatch([{ payer: ann, amount: 100n }]);
      expect(await accountOf(ann)).to.include({ spent: 100n });
    });

    it("is never asked of the code (EIP-1271)", async () => {
      const accounts = await withFunds();
      const { opg, wallets, deposit } = accounts;
      const wallet = await ethers.deployContract("ContractWallet", [key, opg, wallets.stranger]);
      const payer = { address: await wallet.getAddress(), signTypedData: key.signTypedData.bind(key) };
      await deposit(1_000n, payer);
      await expectRefused(accounts, { payer, amount: 100n });
    });

    it("is an ordinary key's that it named", async () => {
      const { settleBatch, deposit, accountOf, taskEscrow, opg, wallets } = await withFunds();
      const wallet = await ethers.deployContract("ContractWallet", [key, opg, wallets.stranger]);
      const payer = { address: await wallet.getAddress(), signTypedData: key.signTypedData.bind(key) };
      await deposit(1_000n, payer);
      await taskEscrow.connect(await impersonated(payer.address)).setAuthorizer(wallets.facilitator, key);
      await settleBatch([{ payer, amount: 100n }]);
      expect(await accountOf(payer)).to.include({ balance: 900n, spent: 100n });
    });
  });
});
