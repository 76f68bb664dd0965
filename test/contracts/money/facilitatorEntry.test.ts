import { expect } from "chai";
import { proxyAddresses, type ProxyAuthorization } from "#protocol/proxyPayment.ts";
import { ethers, loadMoney, type Money, walletOf } from "./moneyFixture.ts";

const merchant = walletOf("merchant").address;

/** What a payer signs for a merchant who names the facilitator's entry. */
async function forMerchant({ uptoOf, makeTask, entry }: Money, changes: Partial<ProxyAuthorization> = {}) {
  const witness = { to: merchant, facilitator: entry, validAfter: 0n };
  return uptoOf(await makeTask({ maxAmount: 1_000n }), { witness, ...changes });
}

async function settle(
  { facilitatorEntry, signUpto, wallets }: Money,
  authorization: ProxyAuthorization,
  by = wallets.facilitator,
) {
  const { permitted, nonce, deadline, from, witness } = authorization;
  const { to, facilitator = "", validAfter } = witness;
  const signature = await signUpto(authorization);
  return facilitatorEntry
    .connect(by)
    .settle({ permitted, nonce, deadline }, 600n, from, { to, facilitator, validAfter }, signature);
}

describe("TaskEscrow.createEntry", () => {
  it("makes a facilitator's entry at the address told before, whoever asks", async () => {
    const { taskEscrow, wallets, provider } = await loadMoney();
    const { stranger, operator } = wallets;
    const entry = await taskEscrow.entryOf(stranger.address);
    expect(await provider.getCode(entry)).to.equal("0x");
    await expect(taskEscrow.connect(operator).createEntry(stranger.address))
      .to.emit(taskEscrow, "EntryCreated")
      .withArgs(stranger.address, entry);
    const made = await ethers.getContractAt("FacilitatorEntry", entry);
    expect(await made.facilitator()).to.equal(stranger.address);
    expect(await made.ESCROW()).to.equal(await taskEscrow.getAddress());
    expect(await made.UPTO_PROXY()).to.equal(proxyAddresses.upto);
  });

  it("makes it once", async () => {
    const { taskEscrow, wallets, entry } = await loadMoney();
    await expect(taskEscrow.createEntry(wallets.facilitator.address))
      .to.be.revertedWithCustomError(taskEscrow, "EntryExists")
      .withArgs(wallets.facilitator.address, entry);
  });

  it("gives every facilitator another", async () => {
    const { taskEscrow, wallets, entry } = await loadMoney();
    expect(await taskEscrow.entryOf(wallets.facilitator.address)).to.equal(entry);
    expect(await taskEscrow.entryOf(wallets.stranger.address)).not.to.equal(entry);
  });
});

describe("FacilitatorEntry.setSigner", () => {
  it("lets the facilitator name who settles for it, and take them back", async () => {
    const { facilitatorEntry, wallets } = await loadMoney();
    const { facilitator, stranger } = wallets;
    const byFacilitator = facilitatorEntry.connect(facilitator);
    const isSigner = () => facilitatorEntry.isSigner(stranger.address);
    expect([await facilitatorEntry.isSigner(facilitator.address), await isSigner()]).to.deep.equal([true, false]);
    for (const allowed of [true, false]) {
      await expect(byFacilitator.setSigner(stranger.address, allowed))
        .to.emit(facilitatorEntry, "SignerSet")
        .withArgs(stranger.address, allowed);
      expect(await isSigner()).to.equal(allowed);
    }
  });

  it("is for the facilitator alone, not for its signers", async () => {
    const { facilitatorEntry, wallets } = await loadMoney();
    const { facilitator, stranger } = wallets;
    await facilitatorEntry.connect(facilitator).setSigner(stranger.address, true);
    await expect(facilitatorEntry.connect(stranger).setSigner(stranger.address, true))
      .to.be.revertedWithCustomError(facilitatorEntry, "OnlyFacilitator")
      .withArgs(stranger.address);
  });

  it("cannot take the facilitator's own right away", async () => {
    const { facilitatorEntry, wallets } = await loadMoney();
    const { facilitator } = wallets;
    await facilitatorEntry.connect(facilitator).setSigner(facilitator.address, false);
    expect(await facilitatorEntry.isSigner(facilitator.address)).to.equal(true);
  });
});

describe("FacilitatorEntry.settle", () => {
  it("pays a merchant straight from the payer, as much as the facilitator says", async () => {
    const money = await loadMoney();
    await expect(settle(money, await forMerchant(money))).to.changeTokenBalances(
      ethers,
      money.opg,
      [money.wallets.payer, merchant, money.taskEscrow],
      [-600n, 600n, 0n],
    );
  });

  it("pays in any token", async () => {
    const money = await loadMoney();
    const { wallets, permit2 } = money;
    const token = await ethers.deployContract("OPG", [wallets.payer.address]);
    await token.connect(wallets.payer).approve(permit2, 1_000n);
    const permitted = { token: await token.getAddress(), amount: 1_000n };
    await expect(settle(money, await forMerchant(money, { permitted }))).to.changeTokenBalance(
      ethers,
      token,
      merchant,
      600n,
    );
  });

  it("is for the facilitator and its signers", async () => {
    const money = await loadMoney();
    const { facilitatorEntry, wallets } = money;
    const authorization = await forMerchant(money);
    await expect(settle(money, authorization, wallets.stranger))
      .to.be.revertedWithCustomError(facilitatorEntry, "NotASigner")
      .withArgs(wallets.stranger.address);
    await facilitatorEntry.connect(wallets.facilitator).setSigner(wallets.stranger.address, true);
    await settle(money, authorization, wallets.stranger);
  });

  it("leaves what is meant for tasks to the escrow", async () => {
    const money = await loadMoney();
    const { facilitatorEntry, uptoOf, makeTask, addresses } = money;
    await expect(settle(money, uptoOf(await makeTask())))
      .to.be.revertedWithCustomError(facilitatorEntry, "ReservedForTasks")
      .withArgs(addresses.taskEscrow);
  });
});

describe("FacilitatorEntry.pull", () => {
  it("is for the escrow alone, even where the facilitator asks", async () => {
    const { facilitatorEntry, wallets, uptoOf, signUpto, makeTask, entry, addresses } = await loadMoney();
    const { facilitator } = wallets;
    const authorization = uptoOf(await makeTask());
    const { permitted, nonce, deadline, from } = authorization;
    const witness = { to: addresses.taskEscrow, facilitator: entry, validAfter: 0n };
    await expect(
      facilitatorEntry
        .connect(facilitator)
        .pull(facilitator.address, { permitted, nonce, deadline }, 1n, from, witness, await signUpto(authorization)),
    )
      .to.be.revertedWithCustomError(facilitatorEntry, "OnlyEscrow")
      .withArgs(facilitator.address);
  });
});
