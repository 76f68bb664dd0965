import { expect } from "chai";
import { getBytes, id, toBeHex, zeroPadValue } from "ethers";
import { CHALLENGE_SECONDS, Challenges } from "#verifier/challenges.ts";

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

  it("lets nobody crowd out a node's challenge by asking for thousands", () => {
    const challenge = challenges.give(node);
    const flood = new Set(Array.from({ length: 5_000 }, () => challenges.give(other)));
    expect(flood.size).to.equal(5_000);
    expect(challenges.take(node, [challenge])).to.equal(true);
  });

  it("takes no challenge that was made up, or whose expiry was moved", () => {
    const challenge = challenges.give(node);
    const later = `0xffffffff${challenge.slice(10)}`;
    expect(challenges.take(node, [id("made up"), later])).to.equal(false);
    const another = new Challenges(
      () => now,
      () => getBytes(id("another verifier's secret")),
    );
    expect(another.take(node, [challenge])).to.equal(false);
  });
});
