import { expect } from "chai";
import { AbiCoder, concat, Contract, type Wallet } from "ethers";
import { populateProxySettle } from "#chain/x402Proxy.ts";
import { startFacilitator } from "#facilitator/start.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { proxyPayloadJson, type proxyPayloadToJson } from "#protocol/proxyPayment.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { merchantAt, type MerchantBody, type MerchantNetwork, startMerchantNetwork } from "./merchantNetwork.ts";

describe("POST /settle of what somebody else settled first (failure 7: front-run)", function () {
  this.timeout(60_000);
  let net: MerchantNetwork;
  let facilitator: Daemon;
  let store: FacilitatorStore;
  let server: ReturnType<typeof merchantAt>;

  before(async () => {
    net = await startMerchantNetwork();
    facilitator = await startFacilitator(await net.environment("front_run"), {
      openStore: async (url, logger) => (store = await openFacilitatorStore(url, logger)),
    });
    server = merchantAt(facilitator.url);
  });
  after(async () => {
    await facilitator.stop();
    await net.close();
  });

  const earned = () => net.opg.balanceOf(net.merchant);
  /** Somebody else settles an `exact` payment; anyone may. */
  const frontRun = async (by: Wallet, body: MerchantBody, gasPrice?: bigint) => {
    const payload = proxyPayloadJson.exact.parse(body.paymentPayload.payload);
    const call = populateProxySettle("exact", payload, 0n);
    return by.sendTransaction({ ...call, gasLimit: 300_000n, ...(gasPrice === undefined ? {} : { gasPrice }) });
  };
  const verified = async (body: MerchantBody): Promise<MerchantBody> => {
    const { isValid, invalidReason } = await server.verify(body);
    expect(isValid, invalidReason).to.equal(true);
    return body;
  };
  const burn = async (payer: Wallet, nonces: bigint): Promise<void> => {
    const permit2 = new Contract(PERMIT2, ["function invalidateUnorderedNonces(uint256, uint256)"], payer);
    await (await permit2.getFunction("invalidateUnorderedNonces").send(0n, nonces)).wait();
  };

  it("is the success that it is, recognised by the transfer", async () => {
    const [payer, other] = [await net.makePayer(1000n), await net.makePayer(0n)];
    const body = await verified(await net.pay(payer, { scheme: "exact" }));
    const before = await earned();
    const { hash } = (await (await frontRun(other, body)).wait()) ?? {};
    expect(await server.settle(body)).to.deep.include({ success: true, transaction: hash, amount: "1000" });
    expect(await earned()).to.equal(before + 1000n);
  });

  it("is a success although our own transaction reverted", async () => {
    const [payer, other] = [await net.makePayer(1000n), await net.makePayer(0n)];
    const body = await verified(await net.pay(payer, { scheme: "exact" }));
    await net.stopMining();
    const settling = server.settle(body);
    const pending = async () => Number(((await net.provider.send("txpool_status", [])) as { pending: string }).pending);
    while ((await pending()) < 1) await new Promise((resolve) => setTimeout(resolve, 50));
    const { hash } = await frontRun(other, body, 10n ** 12n);
    await net.provider.send("evm_mine", []);
    await net.goOnMining();
    expect(await settling).to.deep.include({ success: true, transaction: hash });
    const stored = await store.findPayment(net.digestOf(body));
    expect(stored?.transactions.map(({ status }) => status)).to.deep.equal(["reverted"]);
  });

  it("is no success for any other payment, whatever else the data of that transaction hold", async () => {
    const payer = await net.makePayer(4000n);
    const bodies = [await net.pay(payer, { scheme: "exact", nonce: 70n }), await net.pay(payer, { nonce: 71n })];
    for (const body of bodies) await verified(body);
    await burn(payer, 3n << 70n);
    const real = proxyPayloadJson.exact.parse((await net.pay(payer, { scheme: "exact" })).paymentPayload.payload);
    const call = populateProxySettle("exact", real, 0n);
    const padding = bodies.map(({ paymentPayload }) => {
      const { permitted, nonce, deadline } = (paymentPayload.payload as ReturnType<typeof proxyPayloadToJson>)
        .permit2Authorization;
      const words = ["address", "uint256", "uint256", "uint256"];
      return AbiCoder.defaultAbiCoder().encode(words, [permitted.token, permitted.amount, nonce, deadline]);
    });
    const data = concat([call.data, ...padding]);
    await (await payer.sendTransaction({ ...call, data, gasLimit: 400_000n })).wait();
    for (const body of bodies) expect((await server.settle(body)).success).to.equal(false);
  });

  it("is nobody's fault where the payee was paid in a way that is not recognised", async () => {
    const payer = await net.makePayer(2000n);
    const body = await verified(await net.pay(payer, { scheme: "exact", nonce: 78n }));
    await burn(payer, 1n << 78n);
    await (await net.opg.connect(payer).transfer(net.merchant, 1000n)).wait();
    expect((await server.settle(body)).errorReason).to.equal("permit2_invalid_nonce");
    expect((await store.exposureOf(payer.address, await net.opg.getAddress())).lost).to.equal(0n);
  });

  it("is the payer's fault where all that was paid was paid for another payment, by whoever's hands", async () => {
    const payer = await net.makePayer(4000n);
    const bodies = await Promise.all([
      ...[net.pay(payer, { nonce: 80n }), net.pay(payer, { scheme: "exact", nonce: 81n })],
      ...[net.pay(payer, { nonce: 82n }), net.pay(payer, { scheme: "exact", nonce: 83n })],
    ]);
    for (const body of bodies) await verified(body);
    await burn(payer, 3n << 82n);
    const [byUs, byOther, ...served] = bodies;
    if (!byUs || !byOther) throw new Error("four were signed");
    expect((await server.settle(byUs)).success).to.equal(true);
    await (await frontRun(payer, byOther)).wait();
    for (const body of served) expect((await server.settle(body)).errorReason).to.equal("permit2_invalid_nonce");
    expect((await store.exposureOf(payer.address, await net.opg.getAddress())).lost).to.equal(2000n);
  });

  it("is no success where the nonce was burned, and the payer's fault where nothing was paid", async () => {
    const payer = await net.makePayer(3000n);
    const body = await verified(await net.pay(payer, { scheme: "exact", nonce: 77n }));
    await burn(payer, 1n << 77n);
    const answer = await server.settle(body);
    expect(answer).to.deep.include({ success: false, errorReason: "permit2_invalid_nonce", transaction: "" });
    expect(await server.settle(body)).to.deep.equal(answer);
    expect((await store.exposureOf(payer.address, await net.opg.getAddress())).lost).to.equal(1000n);
  });
});
