import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { network } from "hardhat";
import { decodeRevert } from "#chain/decodeRevert.ts";
import { FacilitatorEntryAdapter } from "#chain/facilitatorEntry.ts";
import { OpgAdapter } from "#chain/opg.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { submitCall } from "#chain/submitCall.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { populateProxySettle } from "#chain/x402Proxy.ts";
import {
  proxyAddresses,
  type ProxyAuthorization,
  type ProxyPayload,
  type ProxyScheme,
  proxyTypedData,
} from "#protocol/proxyPayment.ts";
import type { Task } from "#protocol/task.ts";
import { networkFixture, sign } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture } = connection.networkHelpers;

async function stockFixture() {
  const fixture = await networkFixture(connection);
  const { addresses, provider, wallets, chainId, parameters, entry } = fixture;
  const pay = async (
    scheme: ProxyScheme,
    task: Task,
    witness: ProxyAuthorization["witness"],
  ): Promise<ProxyPayload> => {
    const permit2Authorization: ProxyAuthorization = {
      from: task.payer,
      permitted: { token: addresses.opg, amount: task.maxAmount },
      spender: proxyAddresses[scheme],
      nonce: task.nonce,
      deadline: BigInt(task.deadline + parameters.settleWindowSeconds),
      witness,
    };
    const typedData = proxyTypedData(scheme, permit2Authorization, BigInt(chainId));
    return { signature: await sign(wallets.payer, typedData), permit2Authorization };
  };
  const forTask = { to: addresses.taskEscrow, facilitator: entry, validAfter: 0n };
  return {
    ...fixture,
    pay,
    payForTask: (task: Task) => pay("upto", task, forTask),
    escrow: new TaskEscrowAdapter(addresses.taskEscrow, provider),
    settlement: new SettlementAdapter(addresses.settlement, provider),
    entryAdapter: new FacilitatorEntryAdapter(entry, provider),
    opg: new OpgAdapter(addresses.opg, provider),
  };
}

describe("TaskEscrowAdapter and x402's upto", () => {
  it("opens a task, which can be read back from the chain", async () => {
    const { escrow, makeTask, payForTask, wallets, deploymentBlock } = await loadFixture(stockFixture);
    const { facilitator } = wallets;
    const task = await makeTask();
    const { signature } = await payForTask(task);
    await submitCall(facilitator, escrow.populateOpenUpto(task, facilitator.address, 0n, signature));
    const [opened] = await connection.ethers.provider.getLogs({ address: escrow.address, fromBlock: "latest" });
    const taskId = opened?.topics[1] ?? "";
    expect((await escrow.lockOf(taskId)).status).to.equal("open");
    expect(await escrow.taskOf(taskId, { fromBlock: deploymentBlock })).to.deep.equal(task);
  });

  it("makes entries where it says they will be", async () => {
    const { escrow, wallets, provider, entry } = await loadFixture(stockFixture);
    expect(await escrow.entryOf(wallets.facilitator.address)).to.equal(entry);
    const next = await escrow.entryOf(wallets.stranger.address);
    await submitCall(wallets.facilitator, escrow.populateCreateEntry(wallets.stranger.address));
    expect(await new FacilitatorEntryAdapter(next, provider).isSigner(wallets.stranger.address)).to.equal(true);
  });
});

describe("SettlementAdapter.populateCapture", () => {
  it("charges a payer without a lock, by upto and by the task as witness", async () => {
    const { escrow, settlement, makeTask, payForTask, signPayment, wallets, deploymentBlock, ...fixture } =
      await loadFixture(stockFixture);
    const { facilitator } = wallets;
    const [byUpto, byWitness] = [await makeTask({ nonce: 1n }), await makeTask({ nonce: 2n })];
    const captures = [
      [byUpto, { facilitator: facilitator.address, validAfter: 0n, signature: (await payForTask(byUpto)).signature }],
      [byWitness, { facilitator: ZeroAddress, validAfter: 0n, signature: await signPayment(byWitness) }],
    ] as const;
    for (const [task, payment] of captures) {
      const result = await fixture.makeResult(task);
      const [signature, certificate] = [await fixture.signResult(result), await fixture.certifyResult(result)];
      const call = settlement.populateCapture(task, result, signature, certificate, payment);
      const { hash, blockNumber } = await submitCall(facilitator, call);
      const place = { transactionHash: hash, blockNumber };
      expect(await escrow.eventsOf(result.taskId, { fromBlock: deploymentBlock })).to.deep.equal([
        { name: "TaskCharged", payer: task.payer, charge: result.amount, refund: 0n, ...place },
      ]);
      const [settled] = await settlement.eventsOf(result.taskId, { fromBlock: deploymentBlock });
      expect(settled?.name).to.equal("TaskSettled");
      expect((await escrow.lockOf(result.taskId)).status).to.equal("none");
    }
  });
});

describe("payments to merchants", () => {
  it("pass by the facilitator's entry, for whom it names as its signers", async () => {
    const { entryAdapter, entry, makeTask, pay, wallets, opg } = await loadFixture(stockFixture);
    const { stranger, facilitator, operator } = wallets;
    const witness = { to: operator.address, facilitator: entry, validAfter: 0n };
    const call = entryAdapter.populateSettle(await pay("upto", await makeTask(), witness), 5n);
    const thrown: unknown = await stranger.estimateGas(call).catch((error: unknown) => error);
    expect(decodeRevert(thrown)).to.deep.include({ name: "NotASigner", values: { caller: stranger.address } });
    await submitCall(facilitator, entryAdapter.populateSetSigner(stranger.address, true));
    await submitCall(stranger, call);
    expect(await opg.balanceOf(operator.address)).to.equal(5n);
  });

  it("pass by the proxy for upto where the facilitator's own account is named", async () => {
    const { makeTask, pay, wallets, opg } = await loadFixture(stockFixture);
    const { facilitator, operator, stranger } = wallets;
    const witness = { to: operator.address, facilitator: facilitator.address, validAfter: 0n };
    const call = populateProxySettle("upto", await pay("upto", await makeTask(), witness), 6n);
    const thrown: unknown = await stranger.estimateGas(call).catch((error: unknown) => error);
    expect(decodeRevert(thrown)?.name).to.equal("UnauthorizedFacilitator");
    await submitCall(facilitator, call);
    expect(await opg.balanceOf(operator.address)).to.equal(6n);
  });

  it("pass by the proxy for exact, all of what is permitted", async () => {
    const { makeTask, pay, wallets, opg } = await loadFixture(stockFixture);
    const { stranger, operator } = wallets;
    const payload = await pay("exact", await makeTask({ maxAmount: 7n }), { to: operator.address, validAfter: 0n });
    await submitCall(stranger, populateProxySettle("exact", payload, 7n));
    expect(await opg.balanceOf(operator.address)).to.equal(7n);
  });
});
