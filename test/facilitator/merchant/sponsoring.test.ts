import { expect } from "chai";
import { id, Wallet } from "ethers";
import { OpgAdapter } from "#chain/opg.ts";
import { startFacilitator } from "#facilitator/start.ts";
import { allowancePermitIn, type AllowancePermit } from "#protocol/gasSponsoring.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { merchantAt, type MerchantBody, type MerchantNetwork, startMerchantNetwork } from "./merchantNetwork.ts";

describe("an allowance that the facilitator sponsors", function () {
  this.timeout(60_000);
  let net: MerchantNetwork;
  let facilitator: Daemon;
  let store: FacilitatorStore;
  let server: ReturnType<typeof merchantAt>;
  let payers = 0;

  before(async () => {
    net = await startMerchantNetwork();
    facilitator = await startFacilitator(await net.environment("sponsoring"), {
      openStore: async (url, logger) => (store = await openFacilitatorStore(url, logger)),
    });
    server = merchantAt(facilitator.url);
  });
  after(async () => {
    await facilitator.stop();
    await net.close();
  });

  /** Somebody with OPG and nothing else: no ether, no allowance. */
  const makeGasless = async (balance: bigint): Promise<Wallet> => {
    const payer = new Wallet(id(`gasless ${payers++}`), net.provider);
    await (await net.opg.transfer(payer.address, balance)).wait();
    return payer;
  };
  const permitIn = ({ paymentPayload }: MerchantBody): AllowancePermit => {
    const permit = allowancePermitIn(paymentPayload.extensions);
    if (typeof permit !== "object") throw new Error("the payment has a permit");
    return permit;
  };
  /** Somebody else submits the permit that came with a payment. */
  const submit = async (body: MerchantBody): Promise<void> => {
    const { from, asset, amount, deadline, signature } = permitIn(body);
    const call = new OpgAdapter(asset, net.provider).populatePermit(from, PERMIT2, amount, deadline, signature);
    await (await (await net.makePayer(0n)).sendTransaction(call)).wait();
  };

  it("lets a payer without gas begin", async () => {
    const payer = await makeGasless(1000n);
    const plain = await server.verify(await net.pay(payer));
    expect(plain.invalidReason).to.equal("permit2_allowance_required");
    const permitNonce = BigInt(String(plain.extra?.["permitNonce"]));

    const body = await net.pay(payer, { permitNonce });
    expect((await server.verify(body)).isValid).to.equal(true);
    expect(await net.opg.allowance(payer.address, PERMIT2)).to.equal(0n);
    expect(await server.settle(body, 300n)).to.deep.include({ success: true, amount: "300" });
    expect(await net.opg.balanceOf(payer.address)).to.equal(700n);
    expect(await net.provider.getBalance(payer.address)).to.equal(0n);
    const stored = await store.findPayment(net.digestOf(body));
    const ended = stored?.transactions.map(({ purpose, status }) => `${purpose} ${status}`);
    expect(ended).to.deep.equal(["approve included", "settle included"]);
  });

  it("is submitted for one payment of a payer at a time", async () => {
    const payer = await makeGasless(5000n);
    const bodies = await Promise.all([net.pay(payer, { permitNonce: 0n }), net.pay(payer, { permitNonce: 0n })]);
    const answers = await Promise.all(bodies.map((body) => server.verify(body)));
    const first = answers.findIndex(({ isValid }) => isValid);
    expect(answers[1 - first]?.invalidReason).to.be.oneOf(["allowance_sponsoring", "permit2_2612_amount_mismatch"]);
    expect((await server.settle(bodies[first] as MerchantBody)).success).to.equal(true);
    const again = await net.pay(payer, { permitNonce: 1n });
    expect((await server.settle(again)).success).to.equal(true);
  });

  it("does its work although somebody else submitted the permit first", async () => {
    const payer = await makeGasless(1000n);
    const body = await net.pay(payer, { permitNonce: 0n });
    expect((await server.verify(body)).isValid).to.equal(true);
    await submit(body);
    expect((await server.settle(body)).success).to.equal(true);
    const stored = await store.findPayment(net.digestOf(body));
    expect(stored?.transactions.map(({ purpose }) => purpose)).to.deep.equal(["settle"]);
  });

  it("is not submitted where the allowance suffices", async () => {
    const payer = await net.makePayer(1000n);
    const body = await net.pay(payer, { permitNonce: 0n });
    expect((await server.settle(body)).success).to.equal(true);
    const stored = await store.findPayment(net.digestOf(body));
    expect(stored?.transactions.map(({ purpose }) => purpose)).to.deep.equal(["settle"]);
  });

  it("is refused with a nonce that was used, and the merchant is told so after a verify", async () => {
    const payer = await makeGasless(2000n);
    await submit(await net.pay(payer, { permitNonce: 0n, amount: 1n }));
    const stale = await server.verify(await net.pay(payer, { permitNonce: 0n }));
    expect(stale.invalidReason).to.equal("permit2_allowance_required");
    expect(stale.extra).to.include({ permitNonce: "1" });

    const body = await net.pay(payer, { permitNonce: 1n });
    expect((await server.verify(body)).isValid).to.equal(true);
    await submit(await net.pay(payer, { permitNonce: 1n, amount: 2n }));
    const answer = await server.settle(body);
    expect(answer).to.deep.include({ success: false, errorReason: "permit2_allowance_required", transaction: "" });
    expect((await store.exposureOf(payer.address, await net.opg.getAddress())).lost).to.equal(1000n);
  });
});
