import { expect } from "chai";
import { DatabaseError } from "pg";
import { OpgError } from "#protocol/errors.ts";
import { groupedWrites } from "#store/groupedWrites.ts";

function violation(code: string): DatabaseError {
  const error = new DatabaseError("refused", 0, "error");
  error.code = code;
  return error;
}

describe("groupedWrites", () => {
  it("writes what came while a write was on its way together, and tells each its own outcome", async () => {
    const groups: number[][] = [];
    const double = groupedWrites((inputs: readonly number[]) => {
      groups.push([...inputs]);
      return Promise.resolve(inputs.map((input) => 2 * input));
    });
    expect(await Promise.all([1, 2, 3, 4].map(double))).to.deep.equal([2, 4, 6, 8]);
    expect(groups).to.deep.equal([[1], [2, 3, 4]]);
    expect(await double(5)).to.equal(10);
  });

  for (const [who, refusal] of [
    ["the database does not take", violation("23505")],
    ["is refused in its transaction", new OpgError("internal", "refused")],
  ] as const) {
    it(`lets one that ${who} harm none of the others`, async () => {
      const write = groupedWrites((inputs: readonly number[]) =>
        inputs.includes(3) ? Promise.reject(refusal) : Promise.resolve(inputs),
      );
      const outcomes = await Promise.allSettled([1, 2, 3, 4].map(write));
      expect(outcomes.map(({ status }) => status)).to.deep.equal(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    });
  }

  it("writes each alone where the database ended a deadlock", async () => {
    const write = groupedWrites((inputs: readonly number[]) =>
      inputs.length > 1 ? Promise.reject(violation("40P01")) : Promise.resolve(inputs),
    );
    expect(await Promise.all([1, 2, 3].map(write))).to.deep.equal([1, 2, 3]);
  });

  it("tries nothing again where nobody knows what was written", async () => {
    let writes = 0;
    const write = groupedWrites((inputs: readonly number[]) => {
      writes++;
      return inputs.length > 1 ? Promise.reject(new Error("Connection terminated")) : Promise.resolve(inputs);
    });
    const outcomes = await Promise.allSettled([1, 2, 3].map(write));
    expect(outcomes.map(({ status }) => status)).to.deep.equal(["fulfilled", "rejected", "rejected"]);
    expect(writes).to.equal(2);
    expect(await write(4)).to.equal(4);
  });
});
