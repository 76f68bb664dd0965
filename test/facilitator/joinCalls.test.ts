import { expect } from "chai";
import { joinCalls } from "#facilitator/joinCalls.ts";

describe("joinCalls", () => {
  it("runs the same once while it runs, and again afterwards", async () => {
    const calls: string[] = [];
    const call = joinCalls(
      (name: string) => name,
      (name) => Promise.resolve(calls.push(name)),
    );
    expect(await Promise.all([call("a"), call("b"), call("a")])).to.deep.equal([1, 2, 1]);
    expect(await call("a")).to.equal(3);
    expect(calls).to.deep.equal(["a", "b", "a"]);
  });

  it("gives a failure to all who wait for it, and keeps none of it", async () => {
    let isFailing = true;
    const call = joinCalls(
      () => "one",
      () => (isFailing ? Promise.reject(new Error("no")) : Promise.resolve("yes")),
    );
    const outcomes = await Promise.allSettled([call(undefined), call(undefined)]);
    expect(outcomes.map(({ status }) => status)).to.deep.equal(["rejected", "rejected"]);
    isFailing = false;
    expect(await call(undefined)).to.equal("yes");
  });
});
