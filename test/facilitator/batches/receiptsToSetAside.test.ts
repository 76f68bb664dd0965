import { expect } from "chai";
import { receiptsToSetAside } from "#facilitator/batches/receiptsToSetAside.ts";
import type { RefusedReceipt } from "#protocol/batchMessages.ts";

const refused = (...taskIds: string[]): RefusedReceipt[] =>
  taskIds.map((taskId) => ({ taskId, reason: "result_refused" as const }));
const by = (verifier: string, ...taskIds: string[]) => ({ verifier, refused: refused(...taskIds) });

const setAside = (
  refusals: Parameters<typeof receiptsToSetAside>[0],
  spare: number,
  waited: readonly string[] = [],
): string[] => [...receiptsToSetAside(refusals, spare, new Set(waited)).keys()].sort();

describe("receiptsToSetAside", () => {
  it("sets aside what one verifier refuses", () => {
    expect(setAside([by("one", "a"), by("two")], 1)).to.deep.equal(["a"]);
  });

  it("says who refused what and why", () => {
    const objections = receiptsToSetAside([by("one", "a"), by("two", "a", "b")], 1, new Set());
    expect(objections.get("a")).to.deep.equal({ one: "result_refused", two: "result_refused" });
    expect(objections.get("b")).to.deep.equal({ two: "result_refused" });
  });

  it("keeps what has waited where a quorum of the others would do", () => {
    expect(setAside([by("one", "a")], 1, ["a"])).to.deep.equal([]);
  });

  it("keeps nothing that has waited where every member is needed", () => {
    expect(setAside([by("one", "a")], 0, ["a"])).to.deep.equal(["a"]);
  });

  it("does without those who refuse most, and listens to the others", () => {
    const refusals = [by("one", "a"), by("two", "b", "c"), by("three", "b")];
    expect(setAside(refusals, 1, ["a", "b", "c"])).to.deep.equal(["a", "b"]);
  });

  it("lets nobody whom it does not listen to keep a new receipt in", () => {
    expect(setAside([by("one", "old", "new")], 1, ["old"])).to.deep.equal(["new"]);
  });
});
