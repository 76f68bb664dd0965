import { expect } from "chai";
import { Wallet } from "ethers";
import { network } from "hardhat";
import { OpgAdapter } from "#chain/opg.ts";
import { Permit2Adapter } from "#chain/permit2.ts";
import { settledResults } from "#chain/settledResults.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { submitCall } from "#chain/submitCall.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { resultHashOf } from "#protocol/result.ts";
import { splitCharge } from "#protocol/settlement.ts";
import { taskIdOf } from "#protocol/task.ts";
import { networkFixture, payerBalance } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture, time } = connection.networkHelpers;

async function moneyFixture() {
  const fixture = await networkFixture(connection);
  const { addresses, provider, makeTask, signPayment, domainOf, wallets } = fixture;
  const escrow = new TaskEscrowAdapter(addresses.taskEscrow, provider);
  const settlement = new SettlementAdapter(addresses.settlement, provider);
  const task = await makeTask({ nonce: 258n });
  const taskId = taskIdOf(task, domainOf("taskEscrow"));
  const opened = await submitCall(wallets.facilitator, escrow.populateOpen(task, await signPayment(task)));
  return { ...fixture, escrow, settlement, task, taskId, opened };
}

describe("TaskEscrowAdapter and SettlementAdapter", () => {
  it("open a task: a lock, and an event with its place", async () => {
    const { escrow, task, taskId, opened, deploymentBlock } = await loadFixture(moneyFixture);
    const { maxAmount, deadline, payer, node, model } = task;
    expect(await escrow.lockOf(taskId)).to.deep.equal({ amount: maxAmount, deadline, status: "open" });
    const place = { transactionHash: opened.hash, blockNumber: opened.blockNumber };
    expect(await escrow.eventsOf(taskId, { fromBlock: deploymentBlock })).to.deep.equal([
      { name: "TaskOpened", payer, node, model, maxAmount, deadline, ...place },
    ]);
  });

  it("settle it: shares that add up, earnings that can be withdrawn", async () => {
    const {
      escrow,
      settlement,
      task,
      taskId,
      wallets,
      makeResult,
      signResult,
      certifyResult,
      deploymentBlock,
      domainOf,
    } = await loadFixture(moneyFixture);
    const result = await makeResult(task);
    const call = settlement.populateSettle(task, result, await signResult(result), await certifyResult(result));
    const settled = await submitCall(wallets.stranger, call);
    const place = { transactionHash: settled.hash, blockNumber: settled.blockNumber };
    const shares = splitCharge(result.amount, await settlement.fees());
    const resultHash = resultHashOf(result, domainOf("settlement"));
    expect(await settlement.eventsOf(taskId, { fromBlock: deploymentBlock })).to.deep.equal([
      {
        name: "TaskSettled",
        node: task.node,
        epoch: 1n,
        resultHash,
        payout: result.payout,
        nodeAmount: shares.node,
        verifierAmount: shares.verifiers,
        treasuryAmount: shares.treasury,
        ...place,
      },
    ]);
    const [, charged] = await escrow.eventsOf(taskId, { fromBlock: deploymentBlock });
    const refund = task.maxAmount - result.amount;
    expect(charged).to.deep.equal({ name: "TaskCharged", payer: task.payer, charge: result.amount, refund, ...place });
    expect((await escrow.lockOf(taskId)).status).to.equal("closed");
    expect(await settlement.poolOf(1n)).to.deep.equal({
      verifierAmount: shares.verifiers,
      treasuryAmount: shares.treasury,
      settledTasks: 1n,
    });

    expect(await escrow.earningsOf(result.payout)).to.equal(shares.node);
    await submitCall(wallets.stranger, escrow.populateWithdraw(result.payout));
    expect(await escrow.earningsOf(result.payout)).to.equal(0n);
  });

  it("list the results that an epoch paid for", async () => {
    const { settlement, task, wallets, makeResult, signResult, certifyResult, deploymentBlock, domainOf, provider } =
      await loadFixture(moneyFixture);
    const result = await makeResult(task);
    const call = settlement.populateSettle(task, result, await signResult(result), await certifyResult(result));
    await submitCall(wallets.stranger, call);
    const range = { fromBlock: deploymentBlock };
    expect(await settledResults(provider, settlement.address, 1n, range)).to.deep.equal([
      resultHashOf(result, domainOf("settlement")),
    ]);
    expect(await settledResults(provider, settlement.address, 2n, range)).to.deep.equal([]);
  });

  it("refuse it: the payer has all back at once", async () => {
    const { escrow, settlement, task, taskId, wallets, makeResult, certifyResult, deploymentBlock, opg } =
      await loadFixture(moneyFixture);
    const result = await makeResult(task);
    const refusals = await certifyResult(result, { agrees: false });
    await submitCall(wallets.stranger, settlement.populateRefuse(task, result, refusals));
    const range = { fromBlock: deploymentBlock };
    expect((await settlement.eventsOf(taskId, range)).map(({ name }) => name)).to.deep.equal(["TaskRefused"]);
    expect((await escrow.eventsOf(taskId, range)).map(({ name }) => name)).to.deep.equal([
      "TaskOpened",
      "TaskRefunded",
    ]);
    expect(await opg.balanceOf(task.payer)).to.equal(payerBalance);
  });

  it("refund it when it is overdue", async () => {
    const { escrow, task, taskId, wallets, parameters } = await loadFixture(moneyFixture);
    await time.increaseTo(task.deadline + parameters.settleWindowSeconds + 1);
    await submitCall(wallets.stranger, escrow.populateRefund(task));
    expect((await escrow.lockOf(taskId)).status).to.equal("closed");
  });

  it("read the rules of payment", async () => {
    const { escrow, settlement, wallets } = await loadFixture(moneyFixture);
    expect(await escrow.isFacilitator(wallets.facilitator.address)).to.equal(true);
    expect(await escrow.isFacilitator(wallets.stranger.address)).to.equal(false);
    expect(await escrow.entriesPaused()).to.equal(false);
    expect(await settlement.fees()).to.deep.equal({ verifierBps: 1_000n, treasuryBps: 500n });
    expect(await settlement.treasury()).to.equal(wallets.treasury.address);
  });
});

describe("OpgAdapter", () => {
  it("sets an allowance under its owner's signature, once", async () => {
    const { addresses, provider, wallets, chainId } = await loadFixture(networkFixture);
    const opg = new OpgAdapter(addresses.opg, provider);
    const owner = Wallet.createRandom();
    const [value, deadline, nonce] = [7n, 2n ** 40n, await opg.permitNonceOf(owner.address)];
    const types = {
      Permit: [
        { name: "owner", type: "address" },
        { name: "spender", type: "address" },
        { name: "value", type: "uint256" },
        { name: "nonce", type: "uint256" },
        { name: "deadline", type: "uint256" },
      ],
    };
    const signature = await owner.signTypedData(
      { name: "OPG", version: "1", chainId, verifyingContract: addresses.opg },
      types,
      { owner: owner.address, spender: PERMIT2, value, nonce, deadline },
    );
    await submitCall(wallets.stranger, opg.populatePermit(owner.address, PERMIT2, value, deadline, signature));
    expect(await opg.allowanceToPermit2(owner.address)).to.equal(7n);
    expect(await opg.permitNonceOf(owner.address)).to.equal(nonce + 1n);
  });

  it("moves tokens and lets Permit2 move them", async () => {
    const { addresses, provider, wallets } = await loadFixture(networkFixture);
    const opg = new OpgAdapter(addresses.opg, provider);
    const { address } = wallets.stranger;
    await submitCall(wallets.payer, opg.populateTransfer(address, 7n));
    expect(await opg.balanceOf(address)).to.equal(7n);
    await submitCall(wallets.stranger, opg.populateApprovePermit2(5n));
    expect(await opg.allowanceToPermit2(address)).to.equal(5n);
  });
});

describe("Permit2Adapter", () => {
  it("tells used nonces from unused ones in the same word", async () => {
    const { provider, task } = await loadFixture(moneyFixture);
    const permit2 = new Permit2Adapter(provider);
    expect(await permit2.nonceWord(task.payer, 1n)).to.equal(1n << 2n);
    expect(await permit2.isNonceUsed(task.payer, 258n)).to.equal(true);
    for (const nonce of [2n, 257n, 259n, 514n]) expect(await permit2.isNonceUsed(task.payer, nonce)).to.equal(false);
  });
});
