import { expect } from "chai";
import { Transaction, Wallet } from "ethers";
import { localAccount } from "#deploy/localAccounts.ts";
import { type EngineNetwork, startEngineNetwork } from "./engineNetwork.ts";

const GWEI = 10n ** 9n;
const HUNDRED = 100;

type Facilitator = Awaited<ReturnType<EngineNetwork["start"]>>;

describe("the facilitator's transactions", function () {
  this.timeout(120_000);
  let net: EngineNetwork;
  let facilitator: Facilitator;

  before(async () => {
    net = await startEngineNetwork();
  });
  afterEach(async () => {
    net.proxy.disturbWith(() => undefined);
    await net.goOnMining();
  });
  after(() => net.close());

  const verified = async () => net.verified(facilitator.server, await net.pay(await net.makePayer(1000n)));
  const settlementsOf = async (digest: string) =>
    (await facilitator.store.findPayment(digest))?.transactions.filter(({ purpose }) => purpose === "settle") ?? [];

  for (const [title, further] of [
    ["settle a hundred distinct payments at once with one signer", 0],
    ["settle a hundred distinct payments at once with four signers", 3],
  ] as const) {
    it(title, async () => {
      const { daemon, server, store } = await net.start(`hundred_${further}`, further);
      await net.until("the entry knows all signers", async () => {
        const entry = await Promise.all(net.further.slice(0, further).map(({ address }) => net.isSigner(address)));
        return entry.every(Boolean);
      });
      const payer = await net.makePayer(1000n * BigInt(HUNDRED + 1));
      expect((await server.settle(await net.pay(payer))).success).to.equal(true);
      const bodies = await Promise.all(Array.from({ length: HUNDRED }, () => net.pay(payer)));
      await Promise.all(bodies.map((body) => net.verified(server, body)));
      net.proxy.forget();
      const answers = await Promise.all(bodies.map((body) => server.settle(body)));
      expect(answers.map(({ success, errorReason }) => errorReason ?? success)).to.deep.equal(
        Array(HUNDRED).fill(true),
      );
      expect(await net.opg.balanceOf(payer.address)).to.equal(0n);
      const payments = await Promise.all(bodies.map((body) => store.findPayment(net.digestOf(body))));
      const senders = new Set(payments.flatMap((payment) => payment?.transactions.map(({ signer }) => signer)));
      expect(senders.size).to.equal(1 + further);
      expect(net.proxy.countOf("eth_sendRawTransaction")).to.equal(HUNDRED);
      // Each look for a block is asked, and what follows it, whether somebody pays or not: the longer it takes, the more.
      const looks = 2 * net.proxy.countOf("eth_getBlockByNumber");
      const shared = net.proxy.calls.length - HUNDRED - net.proxy.countOf("eth_estimateGas") - looks;
      expect(shared, "calls for all of them together").to.be.lessThan(HUNDRED);
      await net.stop(daemon);
    });
  }

  it("takes no key for a signer twice", async () => {
    const refusal = await net.start("twice", 1, { OPG_SIGNER_KEYS: localAccount("facilitator").privateKey }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal).to.include({ code: "configuration" });
  });

  it("wedge nothing where the endpoint refuses one: it is cleared, and its payment settled by another", async () => {
    facilitator = await net.start("unlucky");
    const [refusedBody, other] = [await verified(), await verified()];
    let refusedNonce: number | undefined;
    net.proxy.disturbWith(({ method, params }) => {
      if (method !== "eth_sendRawTransaction") return undefined;
      const { nonce, data } = Transaction.from(String(params[0]));
      refusedNonce ??= nonce;
      return nonce === refusedNonce && data !== "0x" ? { error: "this transaction does not please us" } : undefined;
    });
    const first = facilitator.server.settle(refusedBody);
    await net.until("it is refused", () => Promise.resolve(refusedNonce !== undefined));
    expect(await facilitator.server.settle(other)).to.deep.include({ success: true });
    expect(await first).to.deep.include({ success: true });
    const [settlement] = await settlementsOf(net.digestOf(refusedBody));
    expect(settlement?.nonce).to.be.greaterThan(refusedNonce ?? Infinity);
  });

  it("are sent once where the answer to a submit is lost", async () => {
    const body = await verified();
    let isLost = false;
    net.proxy.disturbWith(({ method }) => {
      if (method !== "eth_sendRawTransaction" || isLost) return undefined;
      isLost = true;
      return "answer lost";
    });
    expect(await facilitator.server.settle(body)).to.deep.include({ success: true });
    expect(await settlementsOf(net.digestOf(body))).to.have.length(1);
  });

  it("are replaced at the same nonce by ones that offer more where blocks ask more than they offer", async () => {
    const body = await verified();
    await net.stopMining();
    const settling = facilitator.server.settle(body);
    await net.until("it waits for a block", async () => (await net.pool()) === 1);
    const [before] = await settlementsOf(net.digestOf(body));
    await net.provider.send("anvil_setNextBlockBaseFeePerGas", [`0x${(500n * GWEI).toString(16)}`]);
    await net.goOnMining();
    const answer = await settling;
    expect(answer).to.deep.include({ success: true });
    const [after] = await settlementsOf(net.digestOf(body));
    expect(after).to.include({ nonce: before?.nonce, hash: answer.transaction });
    expect(after?.hash).not.to.equal(before?.hash);
  });

  for (const restarted of [false, true]) {
    it(`are broadcast again where the endpoint dropped them${restarted ? ", also after a restart" : ""}`, async () => {
      const body = await verified();
      await net.stopMining();
      const settling = facilitator.server.settle(body).catch((error: unknown) => error);
      await net.until("it waits for a block", async () => (await net.pool()) === 1);
      const [sent] = await settlementsOf(net.digestOf(body));
      if (restarted) await net.stop(facilitator.daemon);
      await net.provider.send("anvil_dropTransaction", [sent?.hash]);
      await net.goOnMining();
      if (restarted) facilitator = await net.start("unlucky");
      else expect(await settling).to.deep.include({ success: true });
      expect(await facilitator.server.settle(body)).to.deep.include({ success: true, transaction: sent?.hash });
    });
  }

  it("are sent anew where something else took their nonce", async () => {
    const body = await verified();
    await net.stopMining();
    const settling = facilitator.server.settle(body);
    await net.until("it waits for a block", async () => (await net.pool()) === 1);
    const [displaced] = await settlementsOf(net.digestOf(body));
    const operator = new Wallet(localAccount("facilitator").privateKey, net.provider);
    const byHand = { maxFeePerGas: 900n * GWEI, maxPriorityFeePerGas: 900n * GWEI, gasLimit: 21_000n };
    await operator.sendTransaction({ to: operator.address, nonce: displaced?.nonce ?? 0, ...byHand });
    await net.goOnMining();
    const answer = await settling;
    expect(answer).to.deep.include({ success: true });
    const [first, second] = await settlementsOf(net.digestOf(body));
    expect(first).to.include({ status: "reverted", blockNumber: null, nonce: displaced?.nonce });
    expect(second).to.include({ status: "included", hash: answer.transaction });
  });

  it("pass a signer over that has no ether, and use it again when it has", async () => {
    await net.stop(facilitator.daemon);
    const [poor] = net.further;
    await net.provider.send("anvil_setBalance", [poor?.address, "0x0"]);
    const { server, store } = await net.start("poor", 1);
    const senders = async (count: number) => {
      const bodies = await Promise.all(Array.from({ length: count }, async () => net.pay(await net.makePayer(1000n))));
      const answers = await Promise.all(bodies.map((body) => server.settle(body)));
      expect(answers.map(({ success }) => success)).to.deep.equal(Array(count).fill(true));
      const payments = await Promise.all(bodies.map((body) => store.findPayment(net.digestOf(body))));
      return new Set(payments.flatMap((payment) => payment?.transactions.map(({ signer }) => signer)));
    };
    expect([...(await senders(4))]).to.deep.equal([net.facilitator]);
    await net.provider.send("anvil_setBalance", [poor?.address, "0xde0b6b3a7640000"]);
    await net.mine();
    await net.until("it is used", async () => (await senders(4)).has(poor?.address ?? ""));
  });
});
