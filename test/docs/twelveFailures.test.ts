import { readFileSync } from "node:fs";
import { expect } from "chai";
import { testSources } from "./testSources.ts";

const rows = readFileSync(new URL("../../docs/twelve-failures.md", import.meta.url), "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, number, tests] = /^\| (\d+) +\| .+? +\| .+? +\|(.*)\|$/.exec(line) ?? [];
    return number === undefined ? [] : [{ number: Number(number), tests: tests ?? "" }];
  });

describe("docs/twelve-failures.md", () => {
  it("has twelve, in order", () => {
    expect(rows.map(({ number }) => number)).to.deep.equal(Array.from({ length: 12 }, (_, index) => index + 1));
  });

  for (const { number, tests } of rows) {
    it(`names tests that exist for number ${number}`, () => {
      const titles = [...tests.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? "");
      expect(titles).not.to.have.length(0);
      for (const title of titles) expect(testSources.includes(`"${title}`), title).to.equal(true);
    });
  }
});
