import { expect } from "chai";
import { measurementOf } from "#scripts/bench/figures.ts";
import { measureGas } from "#scripts/bench/gas.ts";

const small = { payers: [1, 3], calls: [1, 10], payments: 1 };

describe("npm run bench -- gas", function () {
  this.timeout(60_000);

  it("measures every path and every size of batch, beside stock payments of the same chain", async () => {
    const { rows } = measurementOf("gas", await measureGas(small, () => undefined));
    expect(rows.map(({ figure, target }) => [figure, target])).to.deep.equal([
      ["open", 90_000],
      ["open by upto", 90_000],
      ["settle, charge = ceiling", 90_000],
      ["settle, with a refund", 90_000],
      ["open and settle: gas per inference", 180_000],
      ["capture: gas per inference", 115_000],
      ["capture by upto: gas per inference", 115_000],
      ["a stock payment by exact, nonces in one word; beside it random ones", null],
      ["a stock payment by upto, nonces in one word; beside it random ones", null],
      ["1 payers, 1 calls each: gas per inference", 109_500],
      ["1 payers, 10 calls each: gas per inference", 19_350],
      ["settleBatch, 1 payers, 1 payees", 109_500],
      ["settleBatch, 1 payers, 8 payees", 193_500],
      ["3 payers, 1 calls each: gas per inference", 156_500 / 3],
      ["3 payers, 10 calls each: gas per inference", 216_500 / 30],
      ["settleBatch, 3 payers, 3 payees", 156_500],
      ["settleBatch, 3 payers, 8 payees", 216_500],
    ]);
    const oursOf = (name: string): number => rows.find(({ figure }) => figure === name)?.ours ?? 0;
    for (const { figure, ours, peer } of rows) {
      expect(ours, figure).to.be.at.least(1_000);
      if (figure.endsWith("gas per inference")) expect(peer, figure).to.be.within(70_000, 120_000);
    }
    const batch = oursOf("settleBatch, 3 payers, 8 payees");
    expect(oursOf("3 payers, 10 calls each: gas per inference")).to.equal(batch / 30);
  });
});
