import { expect } from "chai";
import { getBytes, id, toBeHex, zeroPadValue } from "ethers";
import { CHALLENGE_SECONDS, Challenges, MAX_CHALLENGES } from "#verifier/challenges.ts";

const [node, other] = [id("node"), id("other")];

describe("Challenges", () => {
  let now: number;
  let challenges: Challenges;

  beforeEach(() => {
    let given = 0;
    now = 1_900_000_000;
    const counting = () => getBytes(zeroPadValue(toBeHex(++given), 32));
    challenges = new Challenges(() => now, counting);
  });

  it("takes back a challenge once, from its node, among others", () => {
    const challenge = challenges.give(node);
    expect(challenges.take(other, [challenge])).to.equal(false);
    expect(challenges.take(node, [id("another verifier's"), challenge])).to.equal(true);
    expect(challenges.take(node, [challenge])).to.equal(false);
  });

  it("takes a challenge back up to 300 seconds later", () => {
    const [inTime, late] = [challenges.give(node), challenges.give(node)];
    now += CHALLENGE_SECONDS;
    expect(challenges.take(node, [inTime])).to.equal(true);
    now += 1;
    expect(challenges.take(node, [late])).to.equal(false);
  });

  it("forgets the oldest when there are too many", () => {
    const all = Array.from({ length: MAX_CHALLENGES + 1 }, () => challenges.give(node));
    expect(challenges.take(node, all.slice(0, 1))).to.equal(false);
    expect(challenges.take(node, all.slice(1, 2))).to.equal(true);
    expect(challenges.take(node, all.slice(-1))).to.equal(true);
  });
});
