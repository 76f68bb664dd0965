import { expect } from "chai";
import { FollowedSet } from "#chain/followed.ts";

const LIMITS = { most: 3, blocks: 5 };

describe("FollowedSet", () => {
  let set: FollowedSet<string, number>;
  beforeEach(() => {
    set = new FollowedSet(LIMITS);
  });
  const ask = (key: string, block: number) => set.ask(key, key, block);
  const questions = (entries: readonly { question: string }[]) => entries.map(({ question }) => question);

  it("reads again what was asked for twice, and not what was asked for once", () => {
    for (const key of ["once", "twice", "twice"]) ask(key, 1);
    expect(questions(set.dueAt(2))).to.deep.equal(["twice"]);
  });

  it("misses what is not known, until it is, and again when it is not known any more", () => {
    const entry = ask("a", 1);
    expect([set.valueOf(entry), questions(set.missing())]).to.deep.equal([undefined, ["a"]]);
    set.know(set.missing(), [7]);
    expect([set.valueOf(entry), set.missing()]).to.deep.equal([7, []]);
    set.clear();
    expect([set.valueOf(entry), questions(set.missing())]).to.deep.equal([undefined, ["a"]]);
  });

  it("reads nothing again that there was no answer for, before somebody asks", () => {
    for (const key of ["none", "none", "some", "some"]) ask(key, 1);
    set.know(set.dueAt(2), [undefined, 7]);
    expect(questions(set.dueAt(3))).to.deep.equal(["some"]);
    expect([set.valueOf(ask("none", 3)), questions(set.dueAt(4)), set.peek("some")]).to.deep.equal([
      ...[undefined, ["some", "none"], 7],
    ]);
  });

  it("forgets what nobody asked for in so many blocks", () => {
    for (const block of [1, 1, 3]) ask("early", block);
    for (const block of [4, 4]) ask("late", block);
    expect(questions(set.dueAt(8))).to.deep.equal(["early", "late"]);
    expect(questions(set.dueAt(9))).to.deep.equal(["late"]);
    expect([set.has("early"), set.size]).to.deep.equal([false, 1]);
  });

  it("never keeps more than its limit, and lets go of what was asked for longest ago", () => {
    for (const [index, key] of ["a", "b", "c"].entries()) ask(key, index);
    ask("a", 3);
    ask("d", 3);
    expect(["a", "b", "c", "d"].map((key) => set.has(key))).to.deep.equal([true, false, true, true]);
    for (let index = 0; index < 100; index++) set.valueOf(ask(`random ${index}`, 4));
    expect(set.size).to.equal(LIMITS.most);
    expect(set.missing()).to.have.length(LIMITS.most);
  });
});
