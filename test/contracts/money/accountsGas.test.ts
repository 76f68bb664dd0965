import { parseEther, type TransactionResponse, type Wallet } from "ethers";
import { sharesOf } from "#protocol/batch.ts";
import { type Accounts, loadAccounts, payersOf } from "./accountsFixture.ts";
import { depositWays } from "./depositWays.ts";
import { expectGas, gasOf } from "./gasSnapshot.ts";
import { mineAt, networkHelpers, walletOf } from "./moneyFixture.ts";

/** What a payer is charged in a batch, atomic units: no round number, so that calldata is as it will be. */
const charge = 1_234_567_890_123_456_789n;
const payers = payersOf(200);
const payees = Array.from({ length: 8 }, (_, index) => walletOf(`payee ${index}`).address);

/** Everybody has been charged once, so that nothing that follows touches a slot for the first time. */
async function chargedFixture(): Promise<Accounts> {
  const accounts = await loadAccounts();
  const { opg, wallets, deposit } = accounts;
  await opg.connect(wallets.faucet).transfer(wallets.payer.address, parseEther("10000"));
  for (const payer of payers) await deposit(10n * charge, payer);
  await settle(accounts, payers, payees, 1n);
  return accounts;
}

function settle(
  { plan, submit, wallets }: Accounts,
  of: readonly Wallet[],
  to: readonly string[],
  round: bigint,
): Promise<TransactionResponse> {
  const total = charge * BigInt(of.length);
  const part = total / BigInt(to.length);
  const credits = to.map((account, index) => ({
    account,
    amount: index === 0 ? total - part * BigInt(to.length - 1) : part,
  }));
  const charges = of.map((payer) => ({ payer, amount: charge, cap: round * charge }));
  return plan(charges, { credits: sharesOf(credits), receipts: 100 * of.length }).then((planned) =>
    submit(planned, { signers: wallets.verifiers }),
  );
}

describe("Gas of prefunded accounts", function () {
  this.timeout(120_000);

  for (const [size, to] of [
    [1, 1],
    [10, 8],
    [100, 8],
    [200, 8],
  ] as const) {
    it(`settles a batch of ${size} payers and ${to} payees under three signatures`, async () => {
      const accounts = await networkHelpers.loadFixture(chargedFixture);
      const gas = await gasOf(settle(accounts, payers.slice(0, size), payees.slice(0, to), 2n));
      const limit = 65_000n + 11_500n * BigInt(size) + 12_000n * BigInt(to) + 3n * 7_000n;
      expectGas(`settleBatch, ${size} payers, ${to} payees`, gas, limit);
    });
  }

  it("charges one payer more, and pays one payee more, within what each may cost", async () => {
    const accounts = await networkHelpers.loadFixture(chargedFixture);
    const gasFor = (size: number, to: number, round: bigint): Promise<bigint> =>
      gasOf(settle(accounts, payers.slice(0, size), payees.slice(0, to), round));
    const [ten, twenty, more] = [await gasFor(10, 1, 2n), await gasFor(20, 1, 3n), await gasFor(10, 8, 4n)];
    expectGas("settleBatch, one payer more", (twenty - ten) / 10n, 11_500n);
    expectGas("settleBatch, one payee more", (more - ten) / 7n, 12_000n);
  });

  for (const [way, deposit] of Object.entries(depositWays)) {
    it(`funds an account by ${way} once more`, async () => {
      const accounts = await networkHelpers.loadFixture(chargedFixture);
      await accounts.deposit(1n);
      expectGas(way, await gasOf(deposit(accounts)));
    });
  }

  it("withdraws from an account", async () => {
    const { taskEscrow, deposit, wallets, now, parameters } = await networkHelpers.loadFixture(chargedFixture);
    await deposit(1_000n);
    const initiated = taskEscrow.connect(wallets.payer).initiateWithdraw(wallets.facilitator, 400n);
    expectGas("initiateWithdraw", await gasOf(initiated));
    await mineAt((await now()) + parameters.withdrawDelaySeconds);
    const finalized = taskEscrow.finalizeWithdraw(wallets.payer, wallets.facilitator);
    expectGas("finalizeWithdraw", await gasOf(finalized));
  });
});
