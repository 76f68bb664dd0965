import { expect } from "chai";
import { measurementOf, tableOf } from "#scripts/bench/figures.ts";
import { measurePrefunded } from "#scripts/bench/prefunded.ts";

const tiny = { payers: 4, rounds: 1, seconds: 0.5, connections: 2, perSecond: 400 };

describe("npm run bench -- prefunded", function () {
  this.timeout(180_000);

  it("finds every answer right and every reservation in the database, and prints all figures", async () => {
    const figures = await measurePrefunded(tiny, () => undefined);
    const { name, rows } = measurementOf("prefunded", figures);
    expect(name).to.equal("prefunded");
    expect(rows.map(({ figure, target }) => [figure, target])).to.deep.equal([
      ["prefunded calls accepted", 2000],
      ["p99 at half of that rate", 25],
      ["prefunded calls accepted, a new voucher with each", null],
      ["calls to the chain per prefunded call", 0],
      ["calls to the chain per block, whoever calls", null],
      ["cores used by our facilitator", null],
      ["cores used by the load generator", null],
      ["cores used by database, chain and everybody else", null],
    ]);
    for (const { figure, ours, peer } of rows) {
      expect(ours, figure).to.be.at.least(0);
      expect(peer, figure).to.equal(null);
    }
    expect(tableOf("prefunded", figures).split("\n")).to.have.length(rows.length + 2);
  });
});
