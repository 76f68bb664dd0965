import { expect } from "chai";
import { measurementOf, tableOf } from "#scripts/bench/figures.ts";
import { measureVerify } from "#scripts/bench/verify.ts";

const tiny = { payers: 4, rounds: 1, seconds: 0.5, connections: 2, perSecond: { ours: 400, peer: 20 } };

describe("npm run bench -- verify", function () {
  this.timeout(180_000);

  it("finds every answer right and every claim in the database, and prints all figures", async () => {
    const figures = await measureVerify(tiny, () => undefined);
    const { name, machine, rows } = measurementOf("verify", figures);
    expect(name).to.equal("verify");
    expect(machine).to.include("node");
    expect(rows.map(({ figure, target }) => [figure, target])).to.deep.equal([
      ["verified and claimed", 20],
      ["p99 at half of that rate", 10],
      ["calls to the chain per verify", 0],
      ["calls to the chain per verify with random nonces", null],
      ["calls to the chain per block, whoever pays", null],
      ["cores used by our facilitator", null],
      ["cores used by the load generator", null],
      ["cores used by database, chain and everybody else", null],
    ]);
    for (const row of rows) {
      expect(Object.keys(row)).to.deep.equal(["figure", "unit", "ours", "peer", "ratio", "target", "better"]);
      expect(row.ours, row.figure).to.be.at.least(0);
      expect(row.ratio).to.equal(row.peer === null ? null : row.ours / row.peer);
    }
    expect(rows[2]?.peer, "the stock facilitator asks each time").to.be.at.least(2);
    expect(tableOf("verify", figures).split("\n")).to.have.length(rows.length + 2);
  });
});
