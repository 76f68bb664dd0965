import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { Contract } from "ethers";
import { PERMIT2 } from "#protocol/payment.ts";
import { ask } from "#test/facilitator/ask.ts";
import { type EngineNetwork, startEngineNetwork } from "./engineNetwork.ts";
import type { MerchantBody } from "./merchantNetwork.ts";

const CHECKS = 40;
/** Checks from which on a payer is followed: one who came once may never come again. */
const KNOWN_AFTER = 2;
const MAX_BLOCK_AGE_SECONDS = 3;
/** Two follow the newest block, each with a call every 0.25 s. */
const LOOKS_PER_SECOND = 8;

describe("a check out of memory", function () {
  this.timeout(60_000);
  let net: EngineNetwork;

  before(async () => {
    net = await startEngineNetwork();
  });
  afterEach(() => net.goOnMining());
  after(() => net.close());

  it("costs no call to the chain: of a payer who is known nothing is asked but the newest block, as in idle time", async () => {
    const { daemon, server } = await net.start("steady");
    const payer = await net.makePayer(1000n * BigInt(CHECKS + KNOWN_AFTER));
    // Nonces of one word, as clients count them.
    const bodies = await Promise.all(
      Array.from({ length: CHECKS + KNOWN_AFTER }, (_, index) => net.pay(payer, { nonce: 512n + BigInt(index) })),
    );
    for (const body of bodies.slice(0, KNOWN_AFTER)) await net.verified(server, body);
    await net.stopMining();
    await sleep(1_000);
    net.proxy.forget();
    const beganMs = performance.now();
    for (const body of bodies.slice(KNOWN_AFTER)) await net.verified(server, body);
    const seconds = (performance.now() - beganMs) / 1000;
    expect(new Set(net.proxy.calls.map(({ method }) => method))).to.satisfy(
      (methods: Set<string>) => methods.size <= 1 && (methods.size === 0 || methods.has("eth_getBlockByNumber")),
    );
    expect(net.proxy.calls.length).to.be.at.most(Math.ceil(seconds * LOOKS_PER_SECOND) + 2);
    await net.stop(daemon);
  });

  it("is claimed while the chain is asked for its nonce, and given back where the chain does not confirm that", async () => {
    const { daemon, server, store } = await net.start("confirmed");
    const payer = await net.makePayer(3000n);
    for (const nonce of [512n, 513n]) await net.verified(server, await net.pay(payer, { nonce }));
    const permit2 = new Contract(PERMIT2, ["function invalidateUnorderedNonces(uint256, uint256)"], payer);
    await (await permit2.getFunction("invalidateUnorderedNonces").send(7n, 1n)).wait();
    await sleep(1_000);
    const stateOf = async (body: MerchantBody) => (await store.findPayment(net.digestOf(body)))?.state;
    const used = await net.pay(payer, { nonce: 7n << 8n });
    expect((await server.verify(used)).invalidReason).to.equal("permit2_invalid_nonce");
    expect(await stateOf(used)).to.equal("lapsed");
    const body = await net.pay(payer, { nonce: 8n << 8n });
    net.proxy.disturbWith(({ method }) => (method === "eth_call" ? { error: "out of order" } : undefined));
    const { status, body: answer } = await ask(`${daemon.url}/verify`, body);
    net.proxy.disturbWith(() => undefined);
    expect([status, answer.error?.code, await stateOf(body)]).to.deep.equal([503, "chain_unavailable", "lapsed"]);
    await net.verified(server, body);
    expect((await store.exposureOf(payer.address, net.network.contracts.opg)).outstanding).to.equal(3000n);
    await net.stop(daemon);
  });

  it("says 503 and blames nobody once its newest block is too old, and goes on with the next block", async () => {
    const limit = { OPG_MAX_BLOCK_AGE_SECONDS: String(MAX_BLOCK_AGE_SECONDS) };
    const { daemon, server, store } = await net.start("stale", 0, limit);
    const payer = await net.makePayer(3000n);
    await net.verified(server, await net.pay(payer));
    const body = await net.pay(payer);
    await net.stopMining();
    await sleep((MAX_BLOCK_AGE_SECONDS + 2) * 1_000);
    for (const route of ["verify", "settle"]) {
      const { status, body: answer } = await ask(`${daemon.url}/${route}`, body);
      expect([status, answer.error?.code], route).to.deep.equal([503, "chain_unavailable"]);
    }
    expect(await store.findPayment(net.digestOf(body)), "nothing is claimed").to.equal(undefined);
    await net.goOnMining();
    await net.until("a new block is seen", async () => (await ask(`${daemon.url}/ready`)).status === 200);
    await net.until("it is checked again", async () => (await ask(`${daemon.url}/verify`, body)).status === 200);
    expect((await server.verify(body)).invalidReason).to.equal("permit2_invalid_nonce");
    await net.stop(daemon);
  });
});
