import { expect } from "chai";
import { id, Wallet } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { ask } from "#test/facilitator/ask.ts";
import { merchantAt, type MerchantBody, type MerchantNetwork, startMerchantNetwork } from "./merchantNetwork.ts";

/** Twelve blocks of the test's chain. */
const INCLUSION_WAIT_SECONDS = 3;

describe("POST /settle", function () {
  this.timeout(90_000);
  let net: MerchantNetwork;
  let facilitator: Daemon;
  let store: FacilitatorStore;
  let server: ReturnType<typeof merchantAt>;
  /** Runs before each transaction of the outbox is signed. */
  let beforeSending: () => Promise<void> = () => Promise.resolve();

  const start = async (): Promise<Daemon> =>
    startFacilitator(await net.environment("settle"), {
      inclusionWaitSeconds: INCLUSION_WAIT_SECONDS,
      openStore: async (url, logger) => {
        store = await openFacilitatorStore(url, logger);
        const recordTransaction: FacilitatorStore["recordTransaction"] = async (request, sign) => {
          await beforeSending();
          return store.recordTransaction(request, sign);
        };
        return { ...store, recordTransaction };
      },
    });
  before(async () => {
    net = await startMerchantNetwork();
    facilitator = await start();
    server = merchantAt(facilitator.url);
  });
  after(async () => {
    await facilitator.stop();
    await net.close();
  });
  afterEach(() => {
    beforeSending = () => Promise.resolve();
  });

  const earned = () => net.opg.balanceOf(net.merchant);
  const verified = async (body: MerchantBody): Promise<MerchantBody> => {
    const { isValid, invalidReason } = await server.verify(body);
    expect(isValid, invalidReason).to.equal(true);
    return body;
  };

  it("pays the merchant all of an exact payment", async () => {
    const payer = await net.makePayer(1000n);
    const before = await earned();
    const body = await verified(await net.pay(payer, { scheme: "exact" }));
    const answer = await server.settle(body);
    expect(answer).to.deep.include({ success: true, network: "eip155:31337", payer: payer.address, amount: "1000" });
    expect(await earned()).to.equal(before + 1000n);
    expect((await net.provider.getTransactionReceipt(answer.transaction))?.status).to.equal(1);
  });

  for (const by of ["entry", "facilitator"] as const) {
    it(`pays the merchant a part of an upto payment that names our ${by}, and leaves the rest to the payer`, async () => {
      const payer = await net.makePayer(1000n);
      const before = await earned();
      const body = await verified(await net.pay(payer, { facilitator: net[by] }));
      expect(await server.settle(body, 300n)).to.deep.include({ success: true, amount: "300" });
      expect(await earned()).to.equal(before + 300n);
      expect(await net.opg.balanceOf(payer.address)).to.equal(700n);
    });
  }

  it("answers the same payment with the same, at the same time and later (failure 4: idempotency)", async () => {
    const payer = await net.makePayer(5000n);
    const body = await verified(await net.pay(payer));
    const answers = await Promise.all(Array.from({ length: 10 }, () => server.settle(body, 400n)));
    for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
    expect(answers[0]?.success).to.equal(true);
    expect((await server.settle(body, 500n)).errorReason).to.equal("permit2_amount_mismatch");
    expect(await server.settle(body, 400n)).to.deep.equal(answers[0]);
    expect(await net.opg.balanceOf(payer.address)).to.equal(4600n);
    expect((await server.verify(body)).invalidReason).to.equal("permit2_invalid_nonce");
  });

  it("settles ten distinct payments of one payer at the same time (failure 1: one of ten)", async () => {
    const payer = await net.makePayer(10_000n);
    const bodies = await Promise.all(Array.from({ length: 10 }, () => net.pay(payer)));
    const answers = await Promise.all(bodies.map((body) => server.settle(body)));
    expect(answers.map(({ success, errorReason }) => errorReason ?? success)).to.deep.equal(Array(10).fill(true));
    expect(await net.opg.balanceOf(payer.address)).to.equal(0n);
  });

  it("checks and claims by itself what was not verified before", async () => {
    const body = await net.pay(await net.makePayer(1000n));
    const [first, second] = await Promise.all([server.settle(body, 10n), server.settle(body, 10n)]);
    expect(first).to.deep.include({ success: true, amount: "10" });
    expect(second).to.deep.equal(first);
    const poor = await server.settle(await net.pay(await net.makePayer(999n)));
    expect(poor).to.deep.include({ success: false, errorReason: "permit2_insufficient_balance", transaction: "" });
  });

  it("settles what a merchant verified with a secret for nobody without it, the payer least of all", async () => {
    const payer = await net.makePayer(1000n);
    const before = await earned();
    const body = await net.pay(payer);
    const owner = merchantAt(facilitator.url, "a secret of the merchant's own");
    expect((await owner.verify(body)).isValid).to.equal(true);
    for (const [other, amount] of [
      [server, 0n],
      [server, 1n],
      [merchantAt(facilitator.url, "a guess"), 1n],
    ] as const) {
      expect((await other.settle(body, amount)).errorReason).to.equal("merchant_mismatch");
    }
    expect(await owner.settle(body)).to.include({ success: true, amount: "1000" });
    expect((await server.settle(body)).errorReason).to.equal("merchant_mismatch");
    expect((await earned()) - before).to.equal(1000n);
  });

  it("never tells a merchant of success for another amount than it asks for, whoever asked first", async () => {
    for (const low of [0n, 1n]) {
      const payer = await net.makePayer(1000n);
      const body = await verified(await net.pay(payer));
      expect(await server.settle(body, low)).to.deep.include({ success: true, amount: low.toString() });
      const asked = await server.settle(body);
      if (low === 0n) expect(asked).to.deep.include({ success: true, amount: "1000" });
      else expect(asked).to.deep.include({ success: false, errorReason: "permit2_amount_mismatch" });
    }
  });

  it("takes nothing for a charge of 0, and keeps the authorization from being used again", async () => {
    const payer = await net.makePayer(1000n);
    const body = await net.pay(payer);
    const owner = merchantAt(facilitator.url, "a secret of the merchant's own");
    expect((await owner.verify(body)).isValid).to.equal(true);
    expect(await owner.settle(body, 0n)).to.deep.include({ success: true, transaction: "", amount: "0" });
    expect((await owner.verify(body)).invalidReason).to.equal("permit2_invalid_nonce");
    expect((await server.verify(await net.pay(payer))).isValid).to.equal(true);
    expect(await net.opg.balanceOf(payer.address)).to.equal(1000n);
  });

  it("lets a merchant known by its secret waive an exact payment, which frees the payer's money", async () => {
    const payer = await net.makePayer(1000n);
    const body = await net.pay(payer, { scheme: "exact" });
    const owner = merchantAt(facilitator.url, "a secret of the merchant's own");
    expect((await owner.verify(body)).isValid).to.equal(true);
    expect(await owner.settle(body, 0n)).to.deep.include({ success: true, transaction: "", amount: "0" });
    expect((await owner.settle(body)).errorReason).to.equal("permit2_amount_mismatch");
    expect((await owner.verify(body)).invalidReason).to.equal("permit2_invalid_nonce");
    expect((await server.verify(await net.pay(payer))).isValid).to.equal(true);
    const unknown = await verified(await net.pay(await net.makePayer(1000n), { scheme: "exact" }));
    expect((await server.settle(unknown, 0n)).errorReason).to.equal("permit2_amount_mismatch");
  });

  it("lets nobody promise the same money twice by settling for 0 what a merchant still serves", async () => {
    const payer = await net.makePayer(1000n);
    const body = await verified(await net.pay(payer));
    expect(await server.settle(body, 0n)).to.deep.include({ success: true, transaction: "", amount: "0" });
    expect((await server.verify(body)).invalidReason).to.equal("permit2_invalid_nonce");
    expect((await server.verify(await net.pay(payer))).invalidReason).to.equal("permit2_insufficient_balance");
    expect(await server.settle(body)).to.deep.include({ success: true, amount: "1000" });
  });

  it("refuses more than was authorized, and another amount or payee than was claimed (failure 11: pinned)", async () => {
    const payer = await net.makePayer(5000n);
    const upto = await verified(await net.pay(payer));
    expect((await server.settle(upto, 1001n)).errorReason).to.equal(
      "invalid_upto_evm_payload_settlement_exceeds_amount",
    );
    const exact = await verified(await net.pay(payer, { scheme: "exact" }));
    expect((await server.settle(exact, 999n)).errorReason).to.equal("permit2_amount_mismatch");
    const elsewhere = { ...upto, paymentRequirements: { ...upto.paymentRequirements, payTo: payer.address } };
    expect((await server.settle(elsewhere)).errorReason).to.equal("invalid_permit2_recipient_mismatch");
    const { payload } = upto.paymentPayload;
    const unsigned = {
      ...upto,
      paymentPayload: { ...upto.paymentPayload, payload: { ...payload, signature: "0x12" } },
    };
    expect((await server.settle(unsigned, 1n)).errorReason).to.equal("permit2_invalid_nonce");
    expect((await server.settle(upto)).success).to.equal(true);
  });

  it("records what a merchant lost to a wallet that was emptied, and answers so from then on", async () => {
    const payer = await net.makePayer(1000n);
    const body = await verified(await net.pay(payer));
    beforeSending = async () => {
      await (await net.opg.connect(payer).transfer(net.node.address, 800n)).wait();
      beforeSending = () => Promise.resolve();
    };
    const answer = await server.settle(body, 500n);
    expect(answer).to.deep.include({ success: false, errorReason: "permit2_insufficient_balance", transaction: "" });
    await (await net.opg.transfer(payer.address, 1000n)).wait();
    expect(await server.settle(body, 500n)).to.deep.equal(answer);
    const { outstanding, lost } = await store.exposureOf(payer.address, await net.opg.getAddress());
    expect([outstanding, lost]).to.deep.equal([0n, 500n]);
  });

  it("burns no gas for a token that does nothing else", async () => {
    // Everybody has 2^128 - 1 of it, and each transferFrom hashes 1 MiB.
    const most = "ff".repeat(16);
    const code = `0x60003560e01c6323b872dd146028576f${most}60005260206000f35b621000006000205060016000526020` + "6000f3";
    const token = new Wallet(id("gas burning token")).address;
    await net.provider.send("anvil_setCode", [token, code]);
    const body = await verified(await net.pay(await net.makePayer(0n), { token }));
    const answer = await server.settle(body);
    expect(answer).to.deep.include({ success: false, errorReason: "invalid_upto_evm_transaction_failed" });
    expect((await store.findPayment(net.digestOf(body)))?.transactions).to.deep.equal([]);
  });

  it("is pending, not failed, while no block comes; another process goes on (failure 8: timeout is not failure)", async () => {
    const body = await verified(await net.pay(await net.makePayer(1000n)));
    await net.stopMining();
    const pending = await server.settle(body);
    expect(pending).to.deep.include({ success: false, errorReason: "settlement_pending" });
    expect(pending.transaction).to.match(/^0x[0-9a-f]{64}$/);
    const followed = await ask(`${facilitator.url}${String(pending.extra?.["settlement"])}`);
    expect(followed.body).to.include({ id: net.digestOf(body), state: "settling" });
    await facilitator.stop();
    facilitator = await start();
    server = merchantAt(facilitator.url);
    await net.goOnMining();
    expect(await server.settle(body)).to.deep.include({ success: true, transaction: pending.transaction });
  });

  it("finishes by itself what an earlier process began to settle", async () => {
    const payer = await net.makePayer(1000n);
    const body = await verified(await net.pay(payer));
    const digest = net.digestOf(body);
    expect(await store.recordSettling(digest, 600n)).to.equal(true);
    let stored = await store.findPayment(digest);
    for (let round = 0; round < 100 && stored?.state !== "settled"; round++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      stored = await store.findPayment(digest);
    }
    expect(stored?.state).to.equal("settled");
    expect((await server.settle(body, 600n)).transaction).to.equal(stored?.answer?.transaction);
    expect(await net.opg.balanceOf(payer.address)).to.equal(400n);
  });

  it("answers with the same at another replica on the same database", async () => {
    const replica = await startFacilitator(await net.environment("settle"));
    const servers = [server, merchantAt(replica.url)];
    const payer = await net.makePayer(10_000n);
    const bodies = await Promise.all(Array.from({ length: 5 }, () => net.pay(payer)));
    const rounds = bodies.flatMap((body) =>
      servers.flatMap((one) => Array.from({ length: 4 }, () => one.settle(body))),
    );
    const answers = await Promise.all(rounds);
    await replica.stop();
    expect(answers.every(({ success }) => success)).to.equal(true);
    expect(new Set(answers.map(({ transaction }) => transaction)).size).to.equal(5);
    expect(await net.opg.balanceOf(payer.address)).to.equal(5000n);
  });

  it("forgets what ended and can be used no more", async () => {
    const payer = await net.makePayer(3000n);
    const [settled, free] = [await net.pay(payer), await net.pay(payer)];
    await server.settle(settled);
    await server.settle(free, 0n);
    await store.prunePayments(Math.floor(Date.now() / 1000) + 60);
    expect(await store.findPayment(net.digestOf(settled))).to.equal(undefined);
    expect((await store.findPayment(net.digestOf(free)))?.state).to.equal("claimed");
    expect((await server.verify(settled)).invalidReason).to.equal("permit2_invalid_nonce");
    expect(await store.findPayment(id("nothing"))).to.equal(undefined);
  });
});
