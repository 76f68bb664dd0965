import { expect } from "chai";
import { id } from "ethers";
import { type NodeFacts, nodeText, windowText } from "#tasks/nodeText.ts";
import { NEVER } from "#tasks/timeText.ts";

const now = Date.parse("2026-06-01T12:00:00Z") / 1000;
const place = { transactionHash: id("transaction"), blockNumber: 41 };
const admission = { hpkeKeyHash: id("HPKE"), evidenceHash: id("evidence") };
const facts: NodeFacts = {
  node: {
    address: "0x00000000000000000000000000000000000000A1",
    operator: "0x00000000000000000000000000000000000000b2",
    payout: "0x00000000000000000000000000000000000000C3",
    measurement: id("measurement"),
    tlsKeyHash: id("TLS"),
    ...admission,
    leaseUntil: now + 5400,
    sequence: 2,
    status: "active",
  },
  isActive: true,
  url: "https://node.example",
  window: { from: 0, until: NEVER },
  maxLeaseSeconds: 7200,
  now,
  history: [
    { name: "NodeAdmitted", sequence: 1, leaseUntil: now, ...admission, ...place, seconds: now - 7200 },
    { name: "NodeAnnounced", url: "https://node.example", ...place, blockNumber: 42, seconds: now - 7199 },
    {
      name: "NodeAdmitted",
      sequence: 2,
      leaseUntil: now + 5400,
      ...admission,
      ...place,
      blockNumber: 50,
      seconds: now - 60,
    },
  ],
  work: { settled: 3, earned: 25n * 10n ** 17n, refused: 1 },
  inBatches: 0n,
  evidenceRoots: { simulated: ["ab".repeat(32)], nitro: ["cd".repeat(32)] },
  isSimulated: true,
};
const textOf = (changes: Partial<NodeFacts> = {}): string => nodeText({ ...facts, ...changes });

describe("What is told of a node", () => {
  it("is its evidence, measurement, lease, keys, people, work and history", () => {
    expect(textOf().split("\n")).to.deep.equal([
      "0x00000000000000000000000000000000000000A1  active",
      `  evidence     simulated, under the root ${"ab".repeat(32)}`,
      "               checked by a quorum of the verifiers in block 50, 2026-06-01T11:59:00.000Z",
      `               sha256 ${id("evidence")}`,
      `  measurement  ${id("measurement")}`,
      "               open: from the beginning, until never",
      "  lease        until 2026-06-01T13:30:00.000Z",
      "               the node renews it at 2026-06-01T12:30:00.000Z",
      `  keys         TLS   ${id("TLS")}`,
      `               HPKE  ${id("HPKE")}`,
      "  operator     0x00000000000000000000000000000000000000b2",
      "  payout       0x00000000000000000000000000000000000000C3",
      "  url          https://node.example",
      "  work         3 tasks settled one by one, which earned 2.5 OPG; 1 refused",
      "  history      block 41       2026-06-01T10:00:00.000Z  admitted, lease until 2026-06-01T12:00:00.000Z",
      "               block 42       2026-06-01T10:00:01.000Z  announced https://node.example",
      "               block 50       2026-06-01T11:59:00.000Z  renewed, admission 2, lease until 2026-06-01T13:30:00.000Z",
    ]);
  });

  it("says why it gets no tasks", () => {
    const late = textOf({ isActive: false, now: now + 5400 });
    expect(late)
      .to.include("takes no tasks now")
      .and.include("ended 2026-06-01T13:30:00.000Z: the node was not renewed");
    const retired = { ...facts.node, status: "retired" as const };
    const history = [...facts.history, { name: "NodeRetired" as const, ...place, seconds: now }];
    const told = textOf({ isActive: false, node: retired, history });
    expect(told).to.include("A1  retired").and.include("ended when the node was retired");
    expect(told).to.include("12:00:00.000Z  retired by its operator");
    expect(textOf({ window: { from: 0, until: 0 } })).to.include("never approved");
  });

  it("names only roots under which its measurement can have been stated", () => {
    expect(textOf()).to.not.include("nitro");
    expect(textOf({ isSimulated: false }))
      .to.include(`nitro, under the root ${"cd".repeat(32)}`)
      .and.not.include("simulated,");
  });

  it("shows what an operator announced, and lets it write nothing else", () => {
    const url = "https://a\n  lease        never\u001b[2K\r\u009b1A\u202e\u2028";
    const harmless = String.raw`https://a\u{a}  lease        never\u{1b}[2K\u{d}\u{9b}1A\u{202e}\u{2028}`;
    const history = [{ name: "NodeAnnounced" as const, url, ...place, seconds: now }];
    const lines = textOf({ url, history }).split("\n");
    expect(lines).to.include(`  url          ${harmless}`);
    expect(lines.at(-1))
      .to.match(/announced https/)
      .and.to.include(harmless);
  });

  it("counts one task as one", () => {
    expect(textOf({ work: { settled: 1, earned: 5n * 10n ** 17n, refused: 0 } })).to.include(
      "1 task settled one by one",
    );
  });

  it("tells what calls of accounts earned, and for whom", () => {
    expect(textOf({ inBatches: 10n ** 18n })).to.include(
      "calls of accounts earned 1.0 OPG for its payout, by all nodes",
    );
  });
});

describe("A measurement's window", () => {
  it("is open, not yet, not any more, or was ended by governance", () => {
    const window = { from: now, until: now + 10 };
    expect(windowText(window, now - 1)).to.match(/^not open yet: from 2026-06-01T12:00:00.000Z/);
    expect(windowText(window, now)).to.match(/^open: /);
    expect(windowText(window, now + 10)).to.match(/^ended: /);
    expect(windowText({ from: now, until: now }, now)).to.match(/^ended by governance/);
  });
});
