import { expect } from "chai";
import type { Wallet } from "ethers";
import { type BatchNetwork, startBatchNetwork } from "./batchNetwork.ts";

describe("batches that the chain does not take as they are", function () {
  this.timeout(60_000);
  let net: BatchNetwork;

  before(async () => {
    net = await startBatchNetwork();
  });
  after(() => net.close());

  const withdraw = async (payer: Wallet, amount: bigint): Promise<void> => {
    const { facilitator } = net;
    await net.send(payer, net.accounts.populateInitiateWithdraw(facilitator.address, amount));
    const { withdrawableAt } = await net.accountOf(payer);
    await net.provider.send("evm_setNextBlockTimestamp", [withdrawableAt + 1]);
    await net.send(
      payer,
      net.accounts.populateFinalizeWithdraw({ payer: payer.address, facilitator: facilitator.address }),
    );
  };

  it("are built anew without the account that a withdrawal emptied before the transaction", async () => {
    const { daemon, store } = await net.start("race");
    const [steady, leaving] = [await net.openAccount(100n), await net.openAccount(100n)];
    const [paid, owed] = [await net.charge(store, steady, 10n), await net.charge(store, leaving, 90n)];
    // Certified while the money was there: a quorum's word does not keep it there.
    await net.verifierDaemons[0]?.stop();
    await net.verifierDaemons[1]?.stop();
    net.demand();
    await net.until("it is being built", async () => (await store.unfinishedBatches()).length === 1);
    await withdraw(leaving, 100n);
    await net.verifierDaemons[0]?.start();
    await net.verifierDaemons[1]?.start();

    await net.ended(store, paid, "settled");
    expect((await store.findTask(owed))?.state).to.equal("certified");
    expect(await net.accountOf(leaving)).to.include({ balance: 0n, spent: 0n });
    expect(await net.opg.balanceOf(leaving.address)).to.equal(100n);
    await net.stopFacilitator(daemon);
  });

  it("are dropped on a stale head, and their receipts settled on the new one", async () => {
    const [slow, fast] = [await net.start("overtaken"), await net.start("overtaking")];
    const payer = await net.openAccount(100n);
    const [first, second] = [await net.charge(slow.store, payer, 10n), await net.charge(fast.store, payer, 20n)];
    // Both build on the same head, and one of them comes first.
    net.demand();
    await net.ended(slow.store, first, "settled");
    await net.ended(fast.store, second, "settled");
    expect(await net.accountOf(payer)).to.include({ balance: 70n, spent: 30n });
    for (const { daemon } of [slow, fast]) await net.stopFacilitator(daemon);
  });

  it("count again when a reorganisation has taken them out, and one that built on them follows", async () => {
    const { daemon, store } = await net.start("reorganised");
    const payer = await net.openAccount(100n);
    const taskIds: string[] = [];
    for (const amount of [10n, 20n]) {
      const taskId = await net.charge(store, payer, amount);
      taskIds.push(taskId);
      net.demand();
      await net.ended(store, taskId, "settled");
    }
    await net.provider.send("evm_setIntervalMining", [0]);
    const [, second] = (await net.settledBatches()).slice(-2);
    const first = (await net.settledBatches()).at(-2);
    const newest = await net.provider.getBlockNumber();
    await net.provider.send("anvil_reorg", [newest - (first?.blockNumber ?? newest) + 1, []]);
    await net.provider.send("evm_mine", []);
    for (const taskId of taskIds) {
      await net.until("it is owed again", async () => (await store.findTask(taskId))?.reorged === true);
    }
    expect((await store.unfinishedBatches()).length).to.be.greaterThan(0);
    await net.provider.send("evm_setIntervalMining", [1]);
    for (const taskId of taskIds) await net.ended(store, taskId, "settled");
    expect(await net.accountOf(payer)).to.include({ balance: 70n, spent: 30n });
    expect((await net.settledBatches()).at(-1)?.batchId).to.equal(second?.batchId);
    await net.stopFacilitator(daemon);
  });
});
