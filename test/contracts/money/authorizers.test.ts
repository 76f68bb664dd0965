import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { asObject } from "#test/contracts/fixture.ts";
import { type Accounts, ann, funded, loadAccounts } from "./accountsFixture.ts";
import { mineAt, nextAt, walletOf } from "./moneyFixture.ts";

const first = walletOf("first key");
const second = walletOf("second key");

/** Ann has 1,000 at the facilitator, and ether. */
async function withAnn() {
  const accounts = await loadAccounts();
  const { deposit, taskEscrow, wallets } = accounts;
  await deposit(1_000n, ann);
  const byAnn = taskEscrow.connect(await funded(ann));
  const setAuthorizer = (authorizer: string) => byAnn.setAuthorizer(wallets.facilitator, authorizer);
  return { ...accounts, byAnn, setAuthorizer };
}

async function authorizersOf({ taskEscrow, wallets }: Accounts, at = wallets.facilitator.address) {
  return asObject(await taskEscrow.authorizers(ann, at));
}

describe("Accounts.setAuthorizer", () => {
  it("begins with the payer itself", async () => {
    const accounts = await withAnn();
    expect(await authorizersOf(accounts)).to.deep.equal({
      current: ann.address,
      previous: ZeroAddress,
      previousUntil: 0n,
    });
  });

  it("names another key at once, and tells", async () => {
    const accounts = await withAnn();
    const { setAuthorizer, taskEscrow, wallets, now, parameters, settleBatch } = accounts;
    const at = (await now()) + 10;
    const previousUntil = at + parameters.withdrawDelaySeconds;
    await nextAt(at);
    await expect(setAuthorizer(first.address))
      .to.emit(taskEscrow, "AuthorizerSet")
      .withArgs(ann.address, wallets.facilitator.address, first.address, ann.address, previousUntil);
    const expected = { current: first.address, previous: ann.address, previousUntil: BigInt(previousUntil) };
    expect(await authorizersOf(accounts)).to.deep.equal(expected);
    await settleBatch([{ payer: ann, amount: 10n, signer: first }]);
  });

  it("keeps the one before valid up to the last second of the delay, and not after it", async () => {
    const { setAuthorizer, taskEscrow, now, parameters, plan, submit, settleBatch } = await withAnn();
    await setAuthorizer(first.address);
    const until = (await now()) + parameters.withdrawDelaySeconds;
    const inTime = await plan([{ payer: ann, amount: 10n }]);
    await nextAt(until);
    await submit(inTime);
    const late = await plan([{ payer: ann, amount: 10n, cap: 20n }]);
    await nextAt(until + 1);
    await expect(submit(late))
      .to.be.revertedWithCustomError(taskEscrow, "NotAuthorized")
      .withArgs(ann.address, ann.address);
    await settleBatch([{ payer: ann, amount: 10n, cap: 20n, signer: first }]);
  });

  it("is not replaced again while the one before is valid, so that no key that was released under is lost", async () => {
    const { setAuthorizer, taskEscrow, now, parameters, settleBatch } = await withAnn();
    await setAuthorizer(first.address);
    const until = (await now()) + parameters.withdrawDelaySeconds;
    await nextAt(until);
    await expect(setAuthorizer(second.address))
      .to.be.revertedWithCustomError(taskEscrow, "AuthorizerReplacedBefore")
      .withArgs(until);
    await nextAt(until + 1);
    await setAuthorizer(second.address);
    await settleBatch([{ payer: ann, amount: 1n, signer: first }]);
    await settleBatch([{ payer: ann, amount: 1n, cap: 2n, signer: second }]);
    await expect(settleBatch([{ payer: ann, amount: 1n, cap: 3n }])).to.be.revertedWithCustomError(
      taskEscrow,
      "NotAuthorized",
    );
  });

  it("gives the payer itself back for the zero address, under the same delay", async () => {
    const accounts = await withAnn();
    const { setAuthorizer, now, parameters, settleBatch, taskEscrow } = accounts;
    await setAuthorizer(first.address);
    await mineAt((await now()) + parameters.withdrawDelaySeconds);
    await setAuthorizer(ZeroAddress);
    expect(await authorizersOf(accounts)).to.include({ current: ann.address, previous: first.address });
    await settleBatch([{ payer: ann, amount: 1n }]);
    await settleBatch([{ payer: ann, amount: 1n, cap: 2n, signer: first }]);
    await mineAt((await now()) + parameters.withdrawDelaySeconds);
    await settleBatch([{ payer: ann, amount: 1n, cap: 3n }]);
    await expect(settleBatch([{ payer: ann, amount: 1n, cap: 4n, signer: first }])).to.be.revertedWithCustomError(
      taskEscrow,
      "NotAuthorized",
    );
  });

  it("refuses the key that signs already, which would only block a real replacement", async () => {
    const { setAuthorizer, taskEscrow, now, parameters } = await withAnn();
    for (const same of [ZeroAddress, ann.address]) {
      await expect(setAuthorizer(same))
        .to.be.revertedWithCustomError(taskEscrow, "AuthorizerUnchanged")
        .withArgs(ann.address);
    }
    await setAuthorizer(first.address);
    await mineAt((await now()) + parameters.withdrawDelaySeconds + 1);
    await expect(setAuthorizer(first.address))
      .to.be.revertedWithCustomError(taskEscrow, "AuthorizerUnchanged")
      .withArgs(first.address);
  });

  it("is the sender's account at one facilitator, and no other", async () => {
    const accounts = await withAnn();
    const { setAuthorizer, taskEscrow, wallets } = accounts;
    await setAuthorizer(first.address);
    expect(await authorizersOf(accounts, wallets.stranger.address)).to.include({ current: ann.address });
    const { current } = await taskEscrow.authorizers(wallets.payer, wallets.facilitator);
    expect(current).to.equal(wallets.payer.address);
  });

  it("is not stopped by a pause", async () => {
    const { setAuthorizer, setPaused, settleBatch } = await withAnn();
    await setPaused(true);
    await setAuthorizer(first.address);
    await settleBatch([{ payer: ann, amount: 1n, signer: first }]);
  });
});
