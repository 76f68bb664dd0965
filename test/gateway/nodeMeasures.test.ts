import { expect } from "chai";
import { seed } from "#test/badInput/seed.ts";
import { type EndedTask, NodeMeasures } from "#gateway/nodeMeasures.ts";
import { pickNode } from "#gateway/pickNode.ts";

const versionId = `0x${"01".repeat(32)}`;

/** The same draws for the same seed. */
function drawing(): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe(`what is measured of nodes (OPG_FUZZ_SEED=${seed})`, () => {
  let now: number;
  let measures: NodeMeasures;

  beforeEach(() => {
    now = 10_000;
    measures = new NodeMeasures(() => now);
  });

  const record = (node: string, ended: Partial<EndedTask> = {}): void => {
    measures.record({ node, versionId, outcome: "answered", payer: "a", beganAt: now, seconds: 1, ...ended });
  };
  const uncertified = (node: string, payer: string): void =>
    record(node, { outcome: "uncertified", otherCause: "others", payer });

  it("hold missing verdicts against a node only where another got its own meanwhile", () => {
    for (const payer of ["a", "b", "c"]) uncertified("0xa", payer);
    expect(measures.isShutOut({ node: "0xa", versionId })).to.equal(false);
    record("0xb");
    for (const payer of ["a", "b", "c"]) uncertified("0xa", payer);
    expect(measures.isShutOut({ node: "0xa", versionId })).to.equal(true);
  });

  it("tell of percentiles of the tasks that were answered in the window", () => {
    for (let seconds = 1; seconds <= 20; seconds++) record("0xa", { seconds });
    record("0xa", { outcome: "timedOut", otherCause: "payer", seconds: 500 });
    expect(measures.of("0xa").versions[0]).to.include({ medianSeconds: 10, p95Seconds: 19 });
    now += 600;
    expect(measures.of("0xa").versions).to.deep.equal([]);
  });

  it("stay small, whatever comes", () => {
    for (let task = 0; task < 2_000; task++) record("0xa", { seconds: task });
    measures.keepOnly(new Set());
    expect(measures.of("0xa").versions).to.deep.equal([]);
  });

  it("share work by speed, measure a new node soon, and give nobody more than it is given at a time", async () => {
    const random = drawing();
    const speeds: Record<string, number> = { "0xa": 1, "0xb": 1, "0xc": 2, "0xd": 6 };
    const given: Record<string, number[]> = { "0xa": [], "0xb": [], "0xc": [], "0xd": [] };
    const ends: { at: number; end: () => void }[] = [];
    for (let second = 0; second < 300; second++, now++) {
      for (const ended of ends.splice(0)) {
        if (ended.at <= now) ended.end();
        else ends.push(ended);
      }
      // Answers are noted before new tasks come.
      await new Promise((resolve) => setImmediate(resolve));
      const nodes = Object.keys(speeds).filter((node) => node !== "0xb" || second >= 100);
      for (let task = 0; task < 3; task++) {
        const free = nodes.filter((node) => measures.hasRoom({ node, versionId }));
        const candidates = measures.candidates(
          free.map((address) => ({ address })),
          versionId,
        );
        const picked = pickNode(candidates, random);
        if (!picked) continue;
        const { address: node } = picked;
        measures.offered(node);
        const seconds = speeds[node] ?? 0;
        given[node]?.push(second);
        const beganAt = now;
        const run = new Promise<void>((resolve) => ends.push({ at: now + seconds, end: resolve }));
        void measures.hold({ node, versionId }, () => run).then(() => record(node, { beganAt, seconds }));
      }
      for (const node of nodes) expect(measures.of(node).running).to.be.at.most(6);
    }
    const countOf = (node: string): number => given[node]?.length ?? 0;
    expect(countOf("0xa")).to.be.greaterThan(countOf("0xc"));
    expect(countOf("0xc")).to.be.greaterThan(countOf("0xd"));
    expect(countOf("0xd")).to.be.greaterThan(5);
    expect(given["0xb"]?.[0]).to.be.within(100, 110);
    expect(countOf("0xb")).to.be.greaterThan(countOf("0xd"));
  });

  it("are forgotten of nodes that are listed no more", () => {
    record("0xa");
    measures.keepOnly(new Set(["0xb"]));
    expect(measures.of("0xa").versions).to.deep.equal([]);
  });
});

describe("the pick between nodes", () => {
  const candidate = (address: string, waitSeconds: number, lastTurn = 0) => ({ address, waitSeconds, lastTurn });

  it("is the better of two drawn at random, so not always the best of all", () => {
    const random = drawing();
    const nodes = ["a", "b", "c", "d"].map((address, index) => candidate(address, 2 ** index, index));
    const picks = Array.from({ length: 200 }, () => pickNode(nodes, random)?.address);
    expect(new Set(picks)).to.include("a").and.to.include("b");
    expect(picks.filter((address) => address === "d").length).to.be.lessThan(10);
  });

  it("goes by turn where both are as good, and now and then whatever they are", () => {
    const usual = () => 0.5;
    expect(pickNode([candidate("a", 1, 7), candidate("b", 1.2, 3)], usual)?.address).to.equal("b");
    expect(pickNode([candidate("a", 1, 7), candidate("b", 9, 3)], usual)?.address).to.equal("a");
    expect(pickNode([candidate("a", 1, 7), candidate("b", 9, 3)], () => 0.01)?.address).to.equal("b");
    expect(pickNode([candidate("a", 1)], usual)?.address).to.equal("a");
    expect(pickNode([], usual)).to.equal(undefined);
  });
});
