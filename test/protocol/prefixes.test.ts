import { expect } from "chai";
import { id, Wallet, ZeroHash } from "ethers";
import { prefixAt, prefixesRoot, rootFrom } from "#protocol/prefixes.ts";
import { MAX_STEPS } from "#protocol/steps.ts";
import { commitmentOf, opensCommitment } from "#protocol/verdict.ts";

const responses = (count: number): string[] => Array.from({ length: count }, (_, steps) => id(`after ${steps}`));

describe("prefixesRoot", () => {
  it("is the response itself where there is one, so that an ordinary commitment stays as it is", () => {
    expect(prefixesRoot([id("only")])).to.equal(id("only"));
  });

  it("is reached from each response at its own place, and from no other place or response", () => {
    for (const count of [2, 3, 4, 5, 8, 11]) {
      const all = responses(count);
      const root = prefixesRoot(all);
      all.forEach((response, steps) => {
        const prefix = prefixAt(all, steps);
        expect(rootFrom(response, prefix)).to.equal(root);
        expect(rootFrom(response, { ...prefix, steps: (steps + 1) % count })).not.to.equal(root);
        expect(rootFrom(id("other"), prefix)).not.to.equal(root);
      });
    }
  });

  it("has a different value for every other list", () => {
    const roots = [responses(2), responses(3), responses(4), [...responses(3), id("last")], responses(3).reverse()];
    expect(new Set(roots.map(prefixesRoot)).size).to.equal(roots.length);
  });

  it("takes as many steps as a task may have", () => {
    const all = responses(MAX_STEPS + 1);
    const prefix = prefixAt(all, MAX_STEPS);
    expect(prefix.path).to.have.lengthOf(11);
    expect(rootFrom(all[MAX_STEPS] ?? "", prefix)).to.equal(prefixesRoot(all));
  });

  it("is not reached by a place that its path has no room for", () => {
    expect(rootFrom(id("only"), { steps: 1, path: [] })).to.equal(undefined);
  });
});

describe("opensCommitment", () => {
  const verifier = Wallet.createRandom().address;
  const salt = id("salt");

  it("opens a commitment to one response, and one to all responses of a stream at any of them", () => {
    const all = responses(4);
    const one = commitmentOf(id("only"), verifier, salt);
    expect(opensCommitment({ response: id("only"), salt }, verifier, one)).to.equal(true);
    const stream = commitmentOf(prefixesRoot(all), verifier, salt);
    const response = all[2] ?? "";
    expect(opensCommitment({ response, salt, prefix: prefixAt(all, 2) }, verifier, stream)).to.equal(true);
    expect(opensCommitment({ response, salt }, verifier, stream)).to.equal(false);
    expect(opensCommitment({ response: ZeroHash, salt, prefix: prefixAt(all, 2) }, verifier, stream)).to.equal(false);
  });
});
