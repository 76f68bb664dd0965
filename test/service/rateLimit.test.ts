import { expect } from "chai";
import { RateLimit } from "#service/rateLimit.ts";

describe("RateLimit", () => {
  let nowMs: number;
  let limit: RateLimit;

  beforeEach(() => {
    nowMs = 1_000;
    limit = new RateLimit({ perSecond: 2, burst: 3 }, () => nowMs);
  });

  const takeMany = (address: string, count: number) => Array.from({ length: count }, () => limit.take(address));

  it("lets a burst pass, and then says when there is room again", () => {
    expect(takeMany("a", 4)).to.deep.equal([0, 0, 0, 0.5]);
    nowMs += 250;
    expect(limit.take("a")).to.equal(0.25);
    nowMs += 250;
    expect(takeMany("a", 2)).to.deep.equal([0, 0.5]);
  });

  it("saves up no more than a burst", () => {
    takeMany("a", 3);
    nowMs += 3_600_000;
    expect(takeMany("a", 4)).to.deep.equal([0, 0, 0, 0.5]);
  });

  it("holds back one address for no other's sake", () => {
    takeMany("a", 10);
    expect(limit.take("b")).to.equal(0);
  });

  it("forgets addresses once they have their burst again", () => {
    for (let address = 0; address < 1_000; address += 1) limit.take(`address ${address}`);
    takeMany("a", 3);
    expect(limit.size).to.equal(1_001);
    nowMs += 1_499;
    expect(limit.take("a")).to.equal(0);
    expect(limit.size).to.equal(1_001);
    for (const pause of [1, 1_500]) {
      nowMs += pause;
      limit.take("a");
    }
    expect(limit.size).to.equal(1);
  });

  it("remembers a bounded number of addresses, the newest", () => {
    takeMany("first", 3);
    for (let address = 0; address < 50_000; address += 1) limit.take(`address ${address}`);
    expect(limit.take("first")).to.equal(0.5);
    for (let address = 0; address < 150_000; address += 1) limit.take(`other ${address}`);
    expect(limit.size).to.be.within(50_000, 100_000);
    expect(limit.take("first")).to.equal(0);
  });
});
