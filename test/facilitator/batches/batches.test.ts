import { expect } from "chai";
import type { Wallet } from "ethers";
import { checkBatchProof } from "#protocol/batchProof.ts";
import { splitCharge } from "#protocol/settlement.ts";
import type { Daemon } from "#service/runDaemon.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import { type BatchNetwork, startBatchNetwork } from "./batchNetwork.ts";

describe("batches, on a real chain with three verifiers", function () {
  this.timeout(60_000);
  let net: BatchNetwork;
  let daemon: Daemon;
  let store: FacilitatorStore;

  before(async () => {
    net = await startBatchNetwork();
    ({ daemon, store } = await net.start("batches"));
  });
  after(() => net.close());

  const chargeSeveral = async (payer: Wallet, amounts: readonly bigint[]): Promise<string[]> => {
    const taskIds: string[] = [];
    for (const amount of amounts) taskIds.push(await net.charge(store, payer, amount));
    return taskIds;
  };

  it("settles the calls of several payers in one transaction, and proves each of them", async () => {
    const [alice, bob] = [await net.openAccount(1000n), await net.openAccount(1000n)];
    const taskIds = [...(await chargeSeveral(alice, [10n, 20n])), ...(await chargeSeveral(bob, [300n]))];
    net.demand();
    for (const taskId of taskIds) await net.ended(store, taskId, "settled");

    const settled = (await net.settledBatches()).at(-1);
    expect(settled?.receipts).to.equal(3n);
    expect(await store.batchCounts()).to.deep.equal([{ state: "settled", reason: "", count: 1 }]);
    expect(await net.accountOf(alice)).to.include({ balance: 970n, spent: 30n });
    expect(await net.accountOf(bob)).to.include({ balance: 700n, spent: 300n });
    const { nodeAmount = 0n, verifierAmount = 0n, treasuryAmount = 0n } = settled ?? {};
    expect({ node: nodeAmount, verifiers: verifierAmount, treasury: treasuryAmount }).to.deep.equal(
      splitCharge(330n, { verifierBps: 1000n, treasuryBps: 500n }),
    );
    const ofParty = async (party: string) => {
      const own = await store.partyReceipts(settled?.batchId ?? "", party);
      return own.map(({ receipt: { taskId }, node }) => ({ taskId, node }));
    };
    const [first, second, third] = taskIds.map((taskId) => ({ taskId, node: net.node.address }));
    expect(await ofParty(alice.address)).to.have.deep.members([first, second]);
    expect(await ofParty(bob.address)).to.deep.equal([third]);
    for (const taskId of taskIds) {
      const proof = await net.proofOf(daemon, taskId);
      expect(await ofParty(proof.receipt.payout)).to.have.deep.members([first, second, third]);
      expect(
        (await store.partyReceipts(proof.batchId, proof.receipt.payer)).map(({ receipt }) => receipt),
      ).to.deep.include(proof.receipt);
      expect(checkBatchProof(proof, net.settlement)).to.deep.include({ ok: true, batchId: settled?.batchId });
      expect(proof.receipt.taskId).to.equal(taskId);
      expect(proof.transaction).to.equal(settled?.transactionHash);
      const { transactions } = (await store.findTask(taskId)) ?? {};
      expect(transactions?.map(({ purpose, hash }) => [purpose, hash])).to.deep.equal([["batch", proof.transaction]]);
    }
  });

  it("chains each batch on the one before", async () => {
    const payer = await net.openAccount(100n);
    for (const amount of [1n, 2n]) {
      const [taskId = ""] = await chargeSeveral(payer, [amount]);
      net.demand();
      await net.ended(store, taskId, "settled");
    }
    const [first, second] = (await net.settledBatches()).slice(-2);
    expect((await store.findBatch(second?.batchId ?? ""))?.batch.previous).to.equal(first?.batchId);
  });

  it("settles as soon as enough receipts wait, or one has waited long enough", async () => {
    const busy = await net.start("batches_by_size", { OPG_BATCH_RECEIPTS: "2" });
    const payer = await net.openAccount(100n);
    const first = await net.charge(busy.store, payer, 1n);
    const second = await net.charge(busy.store, payer, 1n);
    for (const taskId of [first, second]) await net.ended(busy.store, taskId, "settled");
    await net.stopFacilitator(busy.daemon);

    const patient = await net.start("batches_by_age", { OPG_BATCH_AGE_SECONDS: "2" });
    const third = await net.charge(patient.store, payer, 1n);
    await net.ended(patient.store, third, "settled");
    await net.stopFacilitator(patient.daemon);
  });

  it("leaves out an account that cannot cover what it owes, and settles the rest", async () => {
    const [rich, poor] = [await net.openAccount(1000n), await net.openAccount(10n)];
    const [paid = ""] = await chargeSeveral(rich, [50n]);
    const [owed = ""] = await chargeSeveral(poor, [11n]);
    net.demand();
    await net.ended(store, paid, "settled");
    expect((await store.findTask(owed))?.state).to.equal("certified");
    expect(await net.accountOf(poor)).to.include({ balance: 10n, spent: 0n });
  });

  it("settles what an account owes once it covers that, whoever deposits", async () => {
    const poor = await net.openAccount(10n);
    const [owed = ""] = await chargeSeveral(poor, [11n]);
    net.demand();
    const isLeftOut = async () => (await store.uncoveredAccounts(10)).some(({ payer }) => payer === poor.address);
    await net.until("it is left out", isLeftOut);
    const friend = await net.makePayer(1n);
    await (await net.opg.connect(friend).approve(net.network.contracts.taskEscrow, 1n)).wait();
    const account = { payer: poor.address, facilitator: net.facilitator.address };
    await net.send(friend, net.accounts.populateDeposit(account, 1n));
    net.demand();
    await net.ended(store, owed, "settled");
    expect(await net.accountOf(poor)).to.include({ balance: 0n, spent: 11n });
    expect(await isLeftOut()).to.equal(false);
  });

  it("gives up in the end what an account does not cover, and counts it as lost", async () => {
    const poor = await net.openAccount(10n);
    const [owed = ""] = await chargeSeveral(poor, [100n]);
    const { withdrawDelaySeconds } = net.network.parameters;
    const since = Math.floor(Date.now() / 1000) - withdrawDelaySeconds;
    await store.recordUncovered([{ payer: poor.address, reason: "balance_too_low", amount: 100n }], since);
    net.demand();
    await net.ended(store, owed, "refunded");
    const shares = (await store.lossTotals()).map(({ role, amount }) => [role, amount]);
    expect(Object.fromEntries(shares)).to.deep.equal({ node: 85n, verifiers: 10n, treasury: 5n });
    expect(await store.lossCounts()).to.deep.equal([{ reason: "balance_too_low", count: 1 }]);
  });

  it("sets aside the receipt that one verifier disagrees on, and settles the rest; later a quorum of the others pays it", async () => {
    const payer = await net.openAccount(100n);
    const disputed = await net.charge(store, payer, 5n, { refusedBy: [2] });
    const [undisputed = ""] = await chargeSeveral(payer, [7n]);
    net.demand();
    await net.ended(store, undisputed, "settled");
    expect((await store.findTask(disputed))?.state).to.equal("certified");
    expect(await net.accountOf(payer)).to.include({ spent: 7n });
    expect((await store.setAsideOf([disputed])).get(disputed)).to.include({ times: 1 });

    // Its minute is over.
    await store.recordSetAside([{ taskId: disputed, reasons: {}, retryAt: 0 }]);
    net.demand();
    await net.ended(store, disputed, "settled");
    expect(await net.accountOf(payer)).to.include({ spent: 12n });
  });

  it("shows the certificate to a verifier that did not judge a task", async () => {
    const payer = await net.openAccount(100n);
    const taskId = await net.charge(store, payer, 5n, { seenBy: [0] });
    net.demand();
    await net.ended(store, taskId, "settled");
    const batch = (await store.settledBatchOf(taskId))?.batchId ?? "";
    for (const { store: books } of net.verifierDaemons) expect(await books.knowsBatch(batch)).to.equal(true);
  });

  it("settles without a verifier that does not answer, and shows it later what it missed", async () => {
    const payer = await net.openAccount(100n);
    const [, , third] = net.verifierDaemons;
    await third?.stop();
    const missed: string[] = [];
    for (const amount of [3n, 5n]) {
      const taskId = await net.charge(store, payer, amount, { seenBy: [0, 1] });
      net.demand();
      await net.ended(store, taskId, "settled");
      missed.push((await store.settledBatchOf(taskId))?.batchId ?? "");
    }

    await third?.start();
    const known = () => Promise.all(missed.map(async (batchId) => third?.store.knowsBatch(batchId)));
    expect(await known()).to.deep.equal([false, false]);
    const [next = ""] = await chargeSeveral(payer, [4n]);
    net.demand();
    await net.ended(store, next, "settled");
    await net.until("it is taught", async () => (await known()).every((isKnown) => isKnown === true));
  });

  it("charges an account at this facilitator only, whatever is signed for another", async () => {
    const payer = await net.openAccount(100n);
    const elsewhere = { payer: payer.address, facilitator: net.node.address };
    const before = await net.accounts.accountOf(elsewhere);
    const [taskId = ""] = await chargeSeveral(payer, [9n]);
    net.demand();
    await net.ended(store, taskId, "settled");
    expect(await net.accounts.accountOf(elsewhere)).to.deep.equal(before);
    expect(await net.accountOf(payer)).to.include({ spent: 9n });
  });

  it("has no proof of what no settled batch has", async () => {
    const payer = await net.openAccount(100n);
    const waiting = await net.charge(store, payer, 9n);
    const asked = async (taskId: string) => {
      const response = await fetch(`${daemon.url}/tasks/${taskId}/proof`);
      return { status: response.status, ...((await response.json()) as { error: { code: string } }).error };
    };
    expect(await asked(waiting)).to.include({ status: 409, code: "not_settled_yet" });
    expect(await asked(`0x${"11".repeat(32)}`)).to.include({ status: 404, code: "unknown_task" });
    expect(await asked("nonsense")).to.include({ status: 404, code: "unknown_task" });
  });
});
