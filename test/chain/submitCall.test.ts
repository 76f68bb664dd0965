import { expect } from "chai";
import { id } from "ethers";
import { network } from "hardhat";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { CallReverted, submitCall } from "#chain/submitCall.ts";
import { networkFixture } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture } = connection.networkHelpers;

describe("submitCall", () => {
  it("gives the receipt of the block that holds the call", async () => {
    const { addresses, provider, wallets } = await loadFixture(networkFixture);
    const registry = new ModelRegistryAdapter(addresses.modelRegistry, provider, 0);
    const receipt = await submitCall(wallets.payer, registry.populateCreateModel(id("salt"), "mine"));
    expect([receipt.status, receipt.blockNumber]).to.deep.equal([1, await provider.getBlockNumber()]);
  });

  it("says why the contract refuses, and sends nothing", async () => {
    const { addresses, provider, wallets } = await loadFixture(networkFixture);
    const registry = new ModelRegistryAdapter(addresses.modelRegistry, provider, 0);
    const before = await provider.getTransactionCount(wallets.payer.address);
    const thrown: unknown = await submitCall(wallets.payer, registry.populateCreateModel(id("salt"), "")).catch(
      (error: unknown) => error,
    );
    expect(thrown).to.be.instanceOf(CallReverted);
    expect((thrown as CallReverted).revert).to.deep.include({ name: "NameOutOfBounds", values: { length: "0" } });
    expect((thrown as CallReverted).message).to.equal("The contract refuses the call: name out of bounds (length 0).");
    expect(await provider.getTransactionCount(wallets.payer.address)).to.equal(before);
  });

  it("says why a call failed that was possible when it was sent", async () => {
    const { addresses, provider, wallets } = await loadFixture(networkFixture);
    const registry = new ModelRegistryAdapter(addresses.modelRegistry, provider, 0);
    const { payer } = wallets;
    const payerTransactions = await provider.getTransactionCount(payer.address);
    // With a limit of its own the second is not tried out before it is sent.
    const call = { ...registry.populateCreateModel(id("salt"), "mine"), gasLimit: 300_000n };
    await provider.send("evm_setAutomine", [false]);
    try {
      await payer.sendTransaction(call);
      const submitted = submitCall(payer, call).catch((error: unknown) => error);
      while ((await provider.getTransactionCount(payer.address, "pending")) < payerTransactions + 2) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await provider.send("evm_mine", []);
      const thrown = await submitted;
      expect(thrown).to.be.instanceOf(CallReverted);
      expect((thrown as CallReverted).revert?.name).to.equal("ModelExists");
    } finally {
      await provider.send("evm_setAutomine", [true]);
    }
  });
});
