import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";

const root = new URL("../../", import.meta.url);
const documentation = readFileSync(new URL("docs/invariants.md", root), "utf8");
const testFolder = new URL("test/", root);
const sources = readdirSync(testFolder, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.(ts|sol)$/.test(name))
  .map((name) => readFileSync(new URL(name, testFolder), "utf8"))
  .join("\n");

const named = (pattern: RegExp): string[] => [...documentation.matchAll(pattern)].map((match) => match[1] ?? "");

describe("docs/invariants.md", () => {
  it("names tests that exist by their titles", () => {
    const titles = named(/"([^"]+)"/g);
    expect(titles.length).to.be.greaterThan(20);
    for (const title of titles) expect(sources.includes(`"${title}`), title).to.equal(true);
  });

  it("names Solidity invariants that exist", () => {
    for (const name of named(/`(invariant_[a-z]+)`/g)) expect(sources, name).to.include(`function ${name}(`);
  });

  it("names files that exist", () => {
    for (const path of named(/`(test\/[^`]+)`/g)) expect(existsSync(new URL(path, root)), path).to.equal(true);
  });
});
