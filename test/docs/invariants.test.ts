import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { testSources } from "./testSources.ts";

const root = new URL("../../", import.meta.url);
const documentation = readFileSync(new URL("docs/invariants.md", root), "utf8");

const named = (pattern: RegExp): string[] => [...documentation.matchAll(pattern)].map((match) => match[1] ?? "");

describe("docs/invariants.md", () => {
  it("names tests that exist by their titles", () => {
    const titles = named(/"([^"]+)"/g);
    expect(titles.length).to.be.greaterThan(20);
    for (const title of titles) expect(testSources.includes(`"${title}`), title).to.equal(true);
  });

  it("names Solidity invariants that exist", () => {
    for (const name of named(/`(invariant_[a-z]+)`/g)) expect(testSources, name).to.include(`function ${name}(`);
  });

  it("names files that exist", () => {
    for (const path of named(/`(test\/[^`]+)`/g)) expect(existsSync(new URL(path, root)), path).to.equal(true);
  });
});
