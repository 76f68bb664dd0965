import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { id, type Wallet } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import { settlementStatusJson } from "#protocol/settlementStatus.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { openFacilitatorStore } from "#store/facilitatorStore.ts";
import { ask } from "./ask.ts";
import { followSettlement, wholeStory } from "./followSettlement.ts";
import {
  merchantAt,
  type MerchantBody,
  type MerchantNetwork,
  startMerchantNetwork,
} from "./merchant/merchantNetwork.ts";

describe("GET /settlements/{id}", function () {
  this.timeout(60_000);
  let net: MerchantNetwork;
  let facilitator: Daemon;
  let replica: Daemon;
  /** How many times the first one's store was asked for settlements, and for how many at once. */
  const reads: number[] = [];

  before(async () => {
    net = await startMerchantNetwork();
    const environment = await net.environment("settlement_status");
    facilitator = await startFacilitator(environment, {
      openStore: async (url, logger) => {
        const store = await openFacilitatorStore(url, logger);
        const findSettlements = (ids: readonly string[]) => {
          reads.push(ids.length);
          return store.findSettlements(ids);
        };
        return { ...store, findSettlements };
      },
    });
    replica = await startFacilitator(environment);
  });
  after(async () => {
    await Promise.all([facilitator, replica].map((daemon) => daemon.stop()));
    await net.close();
  });

  async function claimed(): Promise<{ body: MerchantBody; digest: string; payer: Wallet }> {
    const payer = await net.makePayer(1000n);
    const body = await net.pay(payer);
    expect((await merchantAt(facilitator.url).verify(body)).isValid).to.equal(true);
    return { body, digest: net.digestOf(body), payer };
  }

  /** Follows until the stream has begun, and goes on in the background. */
  async function following(daemon: Daemon, digest: string, hangUp?: AbortSignal) {
    const events = followSettlement(daemon.url, digest, hangUp);
    const first = await events.next();
    return { first: first.done ? undefined : first.value, events };
  }

  it("tells each state of a merchant's payment until it is settled, and what answered it (failure 9: status)", async () => {
    const { body, digest, payer } = await claimed();
    const story = wholeStory(facilitator.url, digest);
    await sleep(500);
    const settled = await merchantAt(facilitator.url).settle(body, 300n);
    const told = await story;
    expect([...new Set(told.map(({ state }) => state))]).to.deep.equal(["claimed", "settling", "settled"]);
    const [first, last] = [told[0], told.at(-1)];
    expect(first).to.deep.include({ amount: null, answer: null, transactions: [] });
    const { hash, blockNumber } = (await net.provider.getTransactionReceipt(settled.transaction)) ?? {};
    const asset = net.network.contracts.opg;
    expect(last).to.deep.equal({
      ...{ id: digest, kind: "payment", state: "settled", payer: payer.address, payee: net.merchant, asset },
      ...{ maxAmount: "1000", amount: "300", answer: settled },
      transactions: [{ purpose: "settle", hash, status: "included", blockNumber }],
    });
    expect(
      (await ask(`${facilitator.url}/settlements/${digest.toUpperCase().replace("0X", "0x")}`)).body,
    ).to.deep.equal(last);
  });

  it("tells each state of a task until it is settled", async () => {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    await ask(`${facilitator.url}/tasks`, await net.payFor(payer, task));
    const taskId = net.taskIdIn(task);
    const { first, events } = await following(facilitator, taskId);
    expect(first).to.deep.include({ kind: "task", state: "released", payer: payer.address, amount: null });
    await ask(`${facilitator.url}/tasks/${taskId}/certificate`, await net.certify(net.makeResult(task)));
    const later = [];
    for await (const status of events) later.push(status);
    expect(later.at(-1)).to.deep.include({ state: "settled", maxAmount: "1000", amount: "400" });
    expect(later.at(-1)?.transactions.map(({ purpose, status }) => [purpose, status])).to.deep.equal([
      ["open", "included"],
      ["settle", "included"],
    ]);
  });

  it("shows nobody a signature, or what was bought", async () => {
    const { body, digest } = await claimed();
    const shown = JSON.stringify((await ask(`${facilitator.url}/settlements/${digest}`)).body);
    settlementStatusJson.parse(JSON.parse(shown));
    const { payload, resource } = body.paymentPayload;
    expect(shown).not.to.include(payload["signature"]);
    expect(shown).not.to.include(resource?.url);
  });

  it("says 404 of what it does not know, and 400 to what names nothing", async () => {
    const unknown = await ask(`${facilitator.url}/settlements/${id("nothing")}`);
    expect([unknown.status, unknown.body.error?.code]).to.deep.equal([404, "unknown_settlement"]);
    for (const wrong of ["0x12", "settlement", `${id("nothing")}0`, "%00"]) {
      const answer = await ask(`${facilitator.url}/settlements/${wrong}`);
      expect([answer.status, answer.body.error?.code], wrong).to.deep.equal([400, "invalid_settlement_id"]);
    }
    const events = followSettlement(facilitator.url, id("nothing"));
    expect(String(await events.next().catch((error: unknown) => error))).to.include("unknown_settlement");
  });

  it("tells at one replica what another does", async () => {
    const { body, digest } = await claimed();
    const story = wholeStory(replica.url, digest);
    await sleep(300);
    expect((await merchantAt(facilitator.url).settle(body)).success).to.equal(true);
    expect((await story).at(-1)).to.deep.include({ state: "settled", amount: "1000" });
  });

  it("ends at once what has ended already", async () => {
    const { body, digest } = await claimed();
    await merchantAt(facilitator.url).settle(body);
    expect((await wholeStory(facilitator.url, digest)).map(({ state }) => state)).to.deep.equal(["settled"]);
  });

  it("reads the store once for all who follow, and not at all when the last has hung up", async () => {
    const [one, other] = [await claimed(), await claimed()];
    const hangUp = new AbortController();
    for (const { digest } of [one, one, other]) await following(facilitator, digest, hangUp.signal);
    reads.length = 0;
    await sleep(1_000);
    expect(reads).to.have.length.within(1, 5);
    expect(new Set(reads)).to.deep.equal(new Set([2]));
    hangUp.abort();
    await sleep(700);
    reads.length = 0;
    await sleep(700);
    expect(reads).to.deep.equal([]);
  });

  it("ends when the process is to end, without waiting for who follows", async () => {
    const { digest } = await claimed();
    const ending = await startFacilitator({ ...(await net.environment("settlement_status")), OPG_DRAIN_SECONDS: "30" });
    const { first, events } = await following(ending, digest);
    expect(first).to.include({ state: "claimed" });
    const beganMs = performance.now();
    await Promise.all([ending.stop(), events.next()]);
    expect(performance.now() - beganMs).to.be.lessThan(3_000);
  });
});
