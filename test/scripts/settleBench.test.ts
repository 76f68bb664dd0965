import { expect } from "chai";
import { measurementOf, tableOf } from "#scripts/bench/figures.ts";
import { measureSettle } from "#scripts/bench/settle.ts";

const tiny = { payments: 12, payers: 3, connections: 4, signers: 2, patienceSeconds: 10 };

describe("npm run bench -- settle", function () {
  this.timeout(180_000);

  it("finds all settled by one signer and by several, as the chain has it, and prints all figures", async () => {
    const figures = await measureSettle(tiny, () => undefined);
    const { name, rows } = measurementOf("settle", figures);
    expect(rows.map(({ figure, target }) => [figure, target])).to.deep.equal([
      ["settled of 12 at once, 1 signer", 12],
      ["settled of 12 at once, 2 signers", 12],
      ["paid, but answered otherwise", null],
      ["settled, 1 signer", null],
      ["settled, 2 signers", null],
      ["until the last is settled, 1 signer", null],
      ["until the last is settled, 2 signers", null],
      ["calls to the chain per settled payment, 1 signer", 2],
      ["of these once per block for all", null],
      ["calls to the chain per settled payment, 2 signers", null],
      ["cores used by the facilitator, 1 signer", null],
      ["cores used by everybody else", null],
      ["cores used by the facilitator, 2 signers", null],
    ]);
    const [one, several, mistold] = rows;
    expect([one?.ours, several?.ours, mistold?.ours]).to.deep.equal([12, 12, 0]);
    expect(one?.peer, "the stock facilitator settles some").to.be.within(1, 12);
    expect(tableOf(name, figures).split("\n")).to.have.length(rows.length + 2);
  });
});
