import { expect } from "chai";
import type { Provider } from "ethers";
import { BlockFollower } from "#chain/blockFollower.ts";
import { searchBlocks } from "#chain/blockRange.ts";

/** As much of a provider as decides what is searched: how long the chain is. */
function chainOf(blocks: { latest: number }): Provider {
  return { getBlockNumber: () => Promise.resolve(blocks.latest) } as unknown as Provider;
}

describe("searchBlocks", () => {
  it("cuts a range into pieces without gap or overlap, both ends included", async () => {
    const pieces: [number, number][] = [];
    const found = await searchBlocks(chainOf({ latest: 25_000 }), { fromBlock: 5 }, async (from, to) => {
      pieces.push([from, to]);
      return [from];
    });
    expect(pieces).to.deep.equal([
      [5, 10_004],
      [10_005, 20_004],
      [20_005, 25_000],
    ]);
    expect(found).to.deep.equal([5, 10_005, 20_005]);
  });

  it("ends where it is told to", async () => {
    const pieces: [number, number][] = [];
    await searchBlocks(chainOf({ latest: 100 }), { fromBlock: 7, toBlock: 7 }, async (from, to) => {
      pieces.push([from, to]);
      return [];
    });
    expect(pieces).to.deep.equal([[7, 7]]);
  });
});

describe("BlockFollower", () => {
  it("searches each block once, but for the newest twelve", async () => {
    const blocks = { latest: 100 };
    const pieces: [number, number][] = [];
    const follower = new BlockFollower(chainOf(blocks), 10, async (from, to) => {
      pieces.push([from, to]);
    });
    await follower.catchUp();
    blocks.latest = 105;
    await follower.catchUp();
    expect(pieces).to.deep.equal([
      [10, 100],
      [89, 105],
    ]);
  });

  it("never goes back before its beginning", async () => {
    const pieces: [number, number][] = [];
    const follower = new BlockFollower(chainOf({ latest: 12 }), 10, async (from, to) => {
      pieces.push([from, to]);
    });
    await follower.catchUp();
    await follower.catchUp();
    expect(pieces).to.deep.equal([
      [10, 12],
      [10, 12],
    ]);
  });

  it("shares one search among callers at the same time, and tries again after a failure", async () => {
    let searches = 0;
    const follower = new BlockFollower(chainOf({ latest: 1 }), 0, async () => {
      searches += 1;
      if (searches === 1) throw new Error("the chain is busy");
    });
    const failed = await Promise.allSettled([follower.catchUp(), follower.catchUp()]);
    expect([failed.map(({ status }) => status), searches]).to.deep.equal([["rejected", "rejected"], 1]);
    await Promise.all([follower.catchUp(), follower.catchUp()]);
    expect(searches).to.equal(2);
  });
});
