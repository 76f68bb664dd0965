import { expect } from "chai";
import { toBeHex } from "ethers";
import { network } from "hardhat";
import { type PaymentQuestion, readPaymentFacts } from "#chain/chainFacts.ts";
import { authorizationOf, paymentDigestOf } from "#protocol/payment.ts";
import type { Task } from "#protocol/task.ts";
import { ContractWallet__factory } from "#typechain/index.ts";
import { networkFixture, type NetworkFixture, payerBalance } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture } = connection.networkHelpers;

const allowance = 2n ** 256n - 1n;

function questionOf(
  { addresses, parameters, chainId }: NetworkFixture,
  task: Task,
  signature: string,
): PaymentQuestion {
  const { settleWindowSeconds } = parameters;
  const authorization = authorizationOf(task, {
    token: addresses.opg,
    taskEscrow: addresses.taskEscrow,
    settleWindowSeconds,
  });
  const digest = paymentDigestOf(authorization, BigInt(chainId));
  return { token: addresses.opg, payer: task.payer, nonce: task.nonce, digest, signature };
}

describe("readPaymentFacts", () => {
  it("says at one block what the payer can pay", async () => {
    const fixture = await loadFixture(networkFixture);
    const task = await fixture.makeTask();
    const question = questionOf(fixture, task, await fixture.signPayment(task));
    const { number, timestamp } = (await fixture.provider.getBlock("latest"))!;
    expect(await readPaymentFacts(fixture.provider, question)).to.deep.equal({
      block: { number, timestamp },
      balance: payerBalance,
      allowance,
      nonceUsed: false,
      tokenHasCode: true,
      payerHasCode: false,
    });
  });

  it("sees that the nonce was used and the money moved", async () => {
    const fixture = await loadFixture(networkFixture);
    const task = await fixture.openTask();
    const facts = await readPaymentFacts(fixture.provider, questionOf(fixture, task, "0x"));
    expect([facts.nonceUsed, facts.balance]).to.deep.equal([true, payerBalance - task.maxAmount]);
  });

  it("sees an empty wallet without allowance", async () => {
    const fixture = await loadFixture(networkFixture);
    const task = await fixture.makeTask({ payer: fixture.wallets.stranger.address });
    const facts = await readPaymentFacts(fixture.provider, questionOf(fixture, task, "0x"));
    expect([facts.balance, facts.allowance]).to.deep.equal([0n, 0n]);
  });

  it("sees a token that is none", async () => {
    const fixture = await loadFixture(networkFixture);
    const question = questionOf(fixture, await fixture.makeTask(), "0x");
    const facts = await readPaymentFacts(fixture.provider, { ...question, token: toBeHex(0xaa, 20) });
    expect([facts.tokenHasCode, facts.balance, facts.allowance]).to.deep.equal([false, 0n, 0n]);
  });

  describe("for a payer with code", () => {
    async function contractPayerFixture() {
      const fixture = await networkFixture(connection);
      const { wallets, addresses } = fixture;
      const factory = new ContractWallet__factory(wallets.payer);
      const payer = await factory.deploy(wallets.payer.address, addresses.opg, addresses.opg);
      return { ...fixture, task: await fixture.makeTask({ payer: await payer.getAddress() }) };
    }

    it("asks the payer itself whether the signature is its own", async () => {
      const { task, ...fixture } = await loadFixture(contractPayerFixture);
      const ask = async (signature: string) =>
        readPaymentFacts(fixture.provider, questionOf(fixture, task, signature)).then((facts) => [
          facts.payerHasCode,
          facts.contractAcceptsSignature,
        ]);
      expect(await ask(await fixture.signPayment(task))).to.deep.equal([true, true]);
      expect(await ask(await fixture.signPayment(task, fixture.wallets.stranger))).to.deep.equal([true, false]);
    });

    it("takes a payer that reverts for a refusal, and one that knows no such question", async () => {
      const { task, ...fixture } = await loadFixture(contractPayerFixture);
      const malformed = await readPaymentFacts(fixture.provider, questionOf(fixture, task, "0x12"));
      expect(malformed.contractAcceptsSignature).to.equal(false);
      const token = await fixture.makeTask({ payer: fixture.addresses.opg });
      const mute = await readPaymentFacts(fixture.provider, questionOf(fixture, token, "0x"));
      expect(mute.contractAcceptsSignature).to.equal(false);
    });
  });
});
