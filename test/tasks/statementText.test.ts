import { expect } from "chai";
import { id } from "ethers";
import type { StatementLine } from "#tasks/statementLines.ts";
import { sumsOf } from "#tasks/statementSums.ts";
import { type Statement, statementCsv, statementJson } from "#tasks/statementText.ts";

const place = { transactionHash: id("transaction"), blockNumber: 7 };
const line = (kind: StatementLine["kind"], amount: bigint, fees = 0n, model = ""): StatementLine => {
  return { ...place, kind, reference: id(kind), model, amount, fees };
};
const lines = [
  line("deposit", 100n),
  line("task", 10n, 2n, "0xa"),
  line("batch", 20n, 3n, "0xb"),
  line("batch", 30n, 5n, "0xa"),
  line("withdrawal", 40n),
  line("payout", 1n),
];
const statement: Statement = {
  role: "payer",
  address: "0x01",
  from: "",
  to: "",
  lines,
  modelNames: new Map([
    ["0xa", '=HYPERLINK("http://evil")'],
    ["0xb", "plain@1"],
  ]),
  blockSeconds: new Map([[7, 0]]),
};

describe("a statement", () => {
  it("adds charges up, and what only moved apart from them", () => {
    const { models, ...sums } = sumsOf(lines);
    expect(sums).to.deep.equal({ amount: 60n, fees: 10n, deposits: 100n, withdrawals: 40n, payouts: 1n });
    expect(models).to.deep.equal([
      { model: "0xa", calls: 2, amount: 40n, fees: 7n },
      { model: "0xb", calls: 1, amount: 20n, fees: 3n },
    ]);
  });

  it("has as CSV a row for each line, a sum for each model and a total", () => {
    const rows = statementCsv(statement).split("\n");
    expect(rows).to.have.length(1 + lines.length + 2 + 1);
    expect(rows[2]).to.match(/^1970-01-01T00:00:00\.000Z,task,0x[0-9a-f]{64},/);
    expect(rows.at(-2)).to.equal(",sum,,plain@1,0xb,20,3,,");
    expect(rows.at(-1)).to.equal(",total,,,,60,10,,");
  });

  it("gives no spreadsheet a formula that somebody named a model", () => {
    expect(statementCsv(statement)).to.include(`,"'=HYPERLINK(""http://evil"")",0xa,`);
  });

  it("has as JSON the same, amounts as decimal strings", () => {
    const document = JSON.parse(statementJson(statement)) as Record<string, unknown[]> & { totals: unknown };
    expect(document["lines"]).to.have.length(lines.length);
    expect(document["models"]?.[1]).to.deep.equal({
      model: "plain@1",
      version: "0xb",
      calls: 1,
      amount: "20",
      fees: "3",
    });
    expect(document.totals).to.include({ amount: "60", fees: "10", deposits: "100" });
  });
});
