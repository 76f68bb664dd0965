import { expect } from "chai";
import { measureBatch } from "#scripts/bench/batch.ts";
import { measurementOf } from "#scripts/bench/figures.ts";

describe("npm run bench -- batch", function () {
  this.timeout(180_000);

  it("has a batch settled by three verifiers, holds it against the chain and prints all figures", async () => {
    const { rows } = measurementOf("batch", await measureBatch({ receipts: 6, payers: 2, nodes: 2 }, () => undefined));
    expect(rows.map(({ figure, target }) => [figure, target])).to.deep.equal([
      ["6 receipts of 2 payers: built, certified by 3 verifiers, settled", 20],
      ["until it is built", null],
      ["until three have signed it", null],
      ["until a block has it and every call is settled", null],
      ["cores used by everybody", null],
      ["gas per receipt, in the first batch of all", null],
      ["the first proof from it", null],
    ]);
    const [whole = 0, ...stages] = rows.map(({ ours }) => Math.round(1_000_000 * ours));
    const sum = stages.slice(0, 3).reduce((total, stage) => total + stage, 0);
    expect(Math.abs(sum - whole), "microseconds").to.be.at.most(2);
  });
});
