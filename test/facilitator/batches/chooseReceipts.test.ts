import { expect } from "chai";
import { id, Wallet, ZeroAddress } from "ethers";
import type { AccountState } from "#chain/accountReader.ts";
import { type ChargedAccount, chooseReceipts } from "#facilitator/batches/chooseReceipts.ts";
import type { UnsettledReceipt } from "#store/facilitatorBatches.ts";

const now = 1_900_000_000;
const addressOf = (name: string): string => new Wallet(id(name)).address;
const [alice, bob] = [addressOf("alice"), addressOf("bob")];

let tasks = 0;
const receipt = (payer: string, amount: bigint, payout = addressOf("payout")): UnsettledReceipt => {
  const taskId = id(`task ${tasks++}`);
  const result = { taskId, response: id("response"), payout, amount, completedAt: now };
  return { payer, result, certifiedAt: now - 100, timesRefused: 0 };
};

const account = (payer: string, facts: Partial<AccountState> = {}, cap = 1_000n): [string, ChargedAccount] => {
  const authorizers = { current: payer, previous: ZeroAddress, previousUntil: 0 };
  const voucher = { payer, cap, voucherSignature: "0x", voucherSigner: payer };
  const books = { balance: 1_000n, spent: 0n, withdrawing: 0n, withdrawableAt: 0 };
  return [payer, { facts: { ...books, ...authorizers, ...facts }, voucher }];
};

describe("chooseReceipts", () => {
  it("takes all that the accounts cover", () => {
    const receipts = [receipt(alice, 10n), receipt(bob, 20n), receipt(alice, 30n)];
    const found = chooseReceipts(receipts, new Map([account(alice), account(bob)]), now);
    expect(found).to.deep.equal({ chosen: receipts, leftOut: [] });
  });

  it("leaves out what is above the balance, and says whose it is", () => {
    const receipts = [receipt(alice, 60n), receipt(bob, 20n), receipt(alice, 60n)];
    const { chosen, leftOut } = chooseReceipts(
      receipts,
      new Map([account(alice, { balance: 100n }), account(bob)]),
      now,
    );
    expect(chosen).to.deep.equal(receipts.slice(0, 2));
    expect(leftOut).to.deep.equal([{ payer: alice, reason: "balance_too_low", receipts: 1, amount: 60n }]);
  });

  it("counts a pending withdrawal as still there: until it is finalized a batch comes first", () => {
    const receipts = [receipt(alice, 100n)];
    const pending = account(alice, { balance: 100n, withdrawing: 100n, withdrawableAt: now - 1 });
    expect(chooseReceipts(receipts, new Map([pending]), now).chosen).to.deep.equal(receipts);
  });

  it("leaves out what is above the voucher, lifetime against lifetime", () => {
    const receipts = [receipt(alice, 51n)];
    const accounts = new Map([account(alice, { spent: 950n }, 1_000n)]);
    expect(chooseReceipts(receipts, accounts, now).leftOut).to.deep.equal([
      { payer: alice, reason: "voucher_too_low", receipts: 1, amount: 51n },
    ]);
    expect(chooseReceipts([receipt(alice, 50n)], accounts, now).leftOut).to.deep.equal([]);
  });

  it("leaves out whom no voucher is held of", () => {
    const { chosen, leftOut } = chooseReceipts([receipt(alice, 1n)], new Map(), now);
    expect(chosen).to.deep.equal([]);
    expect(leftOut).to.have.length(1);
  });

  it("goes by a replaced authorizer's voucher as long as the contract does, and a little less", () => {
    const replaced = (previousUntil: number) => account(alice, { current: bob, previous: alice, previousUntil });
    const receipts = [receipt(alice, 1n)];
    expect(chooseReceipts(receipts, new Map([replaced(now + 600)]), now).chosen).to.have.length(1);
    const { leftOut } = chooseReceipts(receipts, new Map([replaced(now + 60)]), now);
    expect(leftOut.map(({ reason }) => reason)).to.deep.equal(["voucher_replaced"]);
  });

  it("takes no more payers and payees than a transaction has room for", () => {
    const payers = Array.from({ length: 501 }, (_, index) => addressOf(`payer ${index}`));
    const accounts = new Map(payers.map((payer) => account(payer)));
    const first = chooseReceipts(
      payers.map((payer) => receipt(payer, 1n)),
      accounts,
      now,
    );
    expect(first.chosen).to.have.length(500);
    expect(first.leftOut).to.deep.equal([]);
    const payouts = Array.from({ length: 201 }, (_, index) => receipt(alice, 1n, addressOf(`payout ${index}`)));
    expect(chooseReceipts(payouts, new Map([account(alice)]), now).chosen).to.have.length(200);
  });
});
