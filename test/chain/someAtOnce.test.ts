import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import { pagesOf } from "#chain/blockRange.ts";
import { someAtOnce } from "#chain/someAtOnce.ts";

describe("a statement over many blocks and batches", () => {
  it("asks about a few of them at once, and keeps their order", async () => {
    let [running, most] = [0, 0];
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    const made = await someAtOnce(numbers, async (number) => {
      most = Math.max(most, ++running);
      for (let turns = number % 7; turns >= 0; turns--) await turn();
      running--;
      return 2 * number;
    });
    expect(made).to.deep.equal(numbers.map((number) => 2 * number));
    expect(most).to.equal(8);
    expect(await someAtOnce([], () => turn())).to.deep.equal([]);
  });

  it("goes page by page through the blocks, each of them once", () => {
    expect([...pagesOf({ fromBlock: 5, toBlock: 20_004 })]).to.deep.equal([
      { fromBlock: 5, toBlock: 10_004 },
      { fromBlock: 10_005, toBlock: 20_004 },
    ]);
    expect([...pagesOf({ fromBlock: 7, toBlock: 7 })]).to.deep.equal([{ fromBlock: 7, toBlock: 7 }]);
    expect([...pagesOf({ fromBlock: 8, toBlock: 7 })]).to.deep.equal([]);
  });
});
