import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { id, ZeroAddress } from "ethers";
import { type FeedSettings, SettlementStatusFeed } from "#facilitator/settlementStatusFeed.ts";
import { OpgError } from "#protocol/errors.ts";
import type { SettlementStatus } from "#protocol/settlementStatus.ts";
import { createLogger } from "#service/logger.ts";

describe("SettlementStatusFeed", () => {
  const first: SettlementStatus = {
    ...{ id: id("task"), kind: "task", state: "released", payer: ZeroAddress, asset: ZeroAddress },
    ...{ maxAmount: "1000", amount: null, transactions: [] },
  };
  const certified: SettlementStatus = { ...first, state: "certified", amount: "1" };
  let now: SettlementStatus = first;
  const draining = new AbortController();
  const never = new AbortController().signal;
  const feedOf = (settings: Partial<FeedSettings>): SettlementStatusFeed =>
    new SettlementStatusFeed(() => Promise.resolve([now]), createLogger("feed", "silent"), draining.signal, {
      pollSeconds: 0.01,
      ...settings,
    });

  beforeEach(() => {
    now = first;
  });

  it("says now and then that it is still there", async () => {
    const hungUp = new AbortController();
    const changes = feedOf({ heartbeatSeconds: 0.05 }).follow(first, hungUp.signal, "a");
    expect((await changes.next()).value).to.deep.equal(first);
    expect(await changes.next()).to.deep.equal({ value: undefined, done: false });
    now = certified;
    expect((await changes.next()).value).to.deep.equal(certified);
    hungUp.abort();
    await changes.next();
    expect((await changes.next()).done).to.equal(true);
  });

  it("tells only the newest to who is slow", async () => {
    const changes = feedOf({}).follow(first, never, "a");
    await changes.next();
    now = certified;
    await sleep(50);
    now = { ...certified, state: "settled" };
    await sleep(50);
    expect((await changes.next()).value).to.include({ state: "settled" });
    expect((await changes.next()).done).to.equal(true);
  });

  it("takes no more than its limit, and another when one has left", async () => {
    const feed = feedOf({ maxFollowers: 1 });
    const hungUp = new AbortController();
    feed.follow(first, hungUp.signal, "a");
    expect(() => feed.follow(first, never, "b")).to.throw(OpgError, "1 follow settlements here already");
    hungUp.abort();
    const settled = await feed.follow({ ...first, state: "settled" }, never, "a").next();
    expect(settled.value).to.include({ state: "settled" });
  });

  it("takes no more of one address than its share, and another when one of it has left, once or twice", async () => {
    const feed = feedOf({ maxPerAddress: 2 });
    const hungUp = new AbortController();
    for (const { signal } of [hungUp, new AbortController()]) feed.follow(first, signal, "a");
    expect(() => feed.follow(first, never, "a")).to.throw(OpgError, "2 follow settlements from your address already");
    feed.follow(first, never, "b");
    hungUp.abort();
    const settled = feed.follow({ ...first, state: "settled" }, never, "a");
    expect((await settled.next()).value).to.include({ state: "settled" });
    await settled.next();
    await settled.return(undefined);
    feed.follow(first, never, "a");
    expect(() => feed.follow(first, never, "a")).to.throw(OpgError, "from your address");
  });

  it("ends for all when the process is to end, and begins for nobody after that", async () => {
    const feed = feedOf({});
    const changes = feed.follow(first, never, "a");
    await changes.next();
    draining.abort();
    await changes.next();
    expect((await changes.next()).done).to.equal(true);
    expect((await feed.follow(first, never, "a").next()).done).to.equal(true);
  });
});
