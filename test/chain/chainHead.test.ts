import { expect } from "chai";
import type { Block } from "ethers";
import { ChainHead } from "#chain/chainHead.ts";

/** A chain whose blocks are named by letter and number, of which an endpoint may have lost some. */
function chainOf(blocks: { newest: string; parents: Record<string, string>; lost: Set<string> }) {
  const getBlock = (tag: string): Promise<Block | null> => {
    const hash = tag === "latest" ? blocks.newest : tag;
    if (tag !== "latest" && blocks.lost.has(hash)) return Promise.resolve(null);
    const block = { number: Number(hash.slice(1)), hash, parentHash: blocks.parents[hash], transactions: [] };
    return Promise.resolve(block as unknown as Block);
  };
  return new ChainHead({ getBlock });
}

describe("ChainHead", () => {
  it("goes on after a gap where a parent cannot be read, and holds none of what may have been replaced", async () => {
    const parents = { a11: "a10", b11: "b10", b12: "b11", b13: "b12" };
    const blocks = { newest: "a10", parents, lost: new Set(["b11"]) };
    const head = chainOf(blocks);
    const told: [string, boolean][] = [];
    head.onBlock(({ hash }, isGap) => void told.push([hash, isGap]));
    for (const newest of ["a10", "a11", "b12", "b13"]) {
      blocks.newest = newest;
      await head.advance();
    }
    expect(told).to.deep.equal([
      ["a10", false],
      ["a11", false],
      ["b12", true],
      ["b13", false],
    ]);
    expect(["a10", "a11", "b12", "b13"].map((hash) => head.holds(hash))).to.deep.equal([false, false, true, true]);
  });
});
