import { readFileSync } from "node:fs";
import { expect } from "chai";
import { testSources } from "./testSources.ts";

/** Waits for streaming, or for the settlement engine. */
const later = [6, 10];

const rows = readFileSync(new URL("../../docs/twelve-failures.md", import.meta.url), "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, number, , here, tests] = /^\| (\d+) +\| (.+?) +\| (.+?) +\|(.*)\|$/.exec(line) ?? [];
    return number === undefined ? [] : [{ number: Number(number), here: here ?? "", tests: tests ?? "" }];
  });

describe("docs/twelve-failures.md", () => {
  it("has twelve, in order", () => {
    expect(rows.map(({ number }) => number)).to.deep.equal(Array.from({ length: 12 }, (_, index) => index + 1));
  });

  for (const { number, here, tests } of rows) {
    const waits = later.includes(number);
    it(waits ? `says what number ${number} waits for` : `names tests that exist for number ${number}`, () => {
      if (waits) expect(here).to.include("comes with");
      const titles = [...tests.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? "");
      expect(titles.length > 0).to.equal(!waits);
      for (const title of titles) expect(testSources.includes(`"${title}`), title).to.equal(true);
    });
  }
});
