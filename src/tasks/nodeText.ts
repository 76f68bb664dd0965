import type { NodeEvent, NodeWork } from "#chain/nodeEvents.ts";
import type { MeasurementWindow, RegisteredNode } from "#chain/nodeRegistry.ts";
import type { Network } from "#protocol/network.ts";
import { shownText } from "./shownText.ts";
import { timeText } from "./timeText.ts";
import { opgText } from "./trailText.ts";

/** What is told of a node; times in seconds since 1970, amounts in atomic units. */
export interface NodeFacts {
  node: RegisteredNode;
  isActive: boolean;
  url: string;
  window: MeasurementWindow;
  maxLeaseSeconds: number;
  /** Time of the newest block. */
  now: number;
  history: readonly (NodeEvent & { seconds: number })[];
  work: NodeWork;
  /** What batches paid to where the node is paid out. */
  inBatches: bigint;
  evidenceRoots: NonNullable<Network["parameters"]["evidenceRoots"]>;
  /** Whether only a simulated platform states its measurement. */
  isSimulated: boolean;
}

/** A node in lines for a terminal: what it proved, until when it may work, what it did. */
export function nodeText(facts: NodeFacts): string {
  const { node, isActive, url } = facts;
  const state = node.status === "active" ? "takes no tasks now" : node.status;
  return [
    `${node.address}  ${isActive ? "active" : state}`,
    ...row("evidence", evidenceLines(facts)),
    ...row("measurement", [node.measurement, windowText(facts.window, facts.now)]),
    ...row("lease", leaseLines(facts)),
    ...row("keys", [`TLS   ${node.tlsKeyHash}`, `HPKE  ${node.hpkeKeyHash}`]),
    ...row("operator", [node.operator]),
    ...row("payout", [node.payout]),
    ...row("url", [url === "" ? "not announced" : shownText(url)]),
    ...row("work", workLines(facts)),
    ...row("history", facts.history.map(eventText)),
  ].join("\n");
}

/** Whether a measurement's window is open, and from when until when. */
export function windowText({ from, until }: MeasurementWindow, now: number): string {
  if (until === 0) return "never approved";
  if (from === until) return "ended by governance: no node under it gets tasks";
  const times = `from ${from === 0 ? "the beginning" : timeText(from)}, until ${timeText(until)}`;
  if (now < from) return `not open yet: ${times}`;
  return now < until ? `open: ${times}` : `ended: ${times}`;
}

function row(title: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? title : "").padEnd(12)} ${line}`);
}

/** The chain has the document's hash and no kind: it follows from the measurement, which has the kind in it. */
function evidenceLines({ node, history, evidenceRoots, isSimulated }: NodeFacts): string[] {
  const { simulated = [], nitro = [] } = evidenceRoots;
  const kinds = [
    ...(isSimulated || nitro.length === 0 ? simulated.map((root) => `simulated, under the root ${root}`) : []),
    ...(isSimulated ? [] : nitro.map((root) => `nitro, under the root ${root}`)),
  ];
  const checked = history.findLast(({ name }) => name === "NodeAdmitted");
  const when = checked ? `in block ${checked.blockNumber}, ${timeText(checked.seconds)}` : "before these blocks";
  return [...kinds, `checked by a quorum of the verifiers ${when}`, `sha256 ${node.evidenceHash}`];
}

/** A node renews when less than half of a full lease is left. */
function leaseLines({ node, maxLeaseSeconds, now }: NodeFacts): string[] {
  const { leaseUntil, status } = node;
  if (status !== "active") return [`ended when the node was ${status}`];
  if (leaseUntil <= now) return [`ended ${timeText(leaseUntil)}: the node was not renewed`];
  const renewal = leaseUntil - Math.floor(maxLeaseSeconds / 2);
  return [`until ${timeText(leaseUntil)}`, `the node renews it ${renewal <= now ? "now" : `at ${timeText(renewal)}`}`];
}

function workLines({ work, inBatches }: NodeFacts): string[] {
  const { settled, earned, refused } = work;
  const tasks = `${settled} task${settled === 1 ? "" : "s"} settled one by one, which earned ${opgText(earned)}; ${refused} refused`;
  if (inBatches === 0n) return [tasks];
  return [tasks, `calls of accounts earned ${opgText(inBatches)} for its payout, by all nodes that are paid out there`];
}

function eventText(event: NodeEvent & { seconds: number }): string {
  return `block ${String(event.blockNumber).padEnd(8)} ${timeText(event.seconds)}  ${happened(event)}`;
}

function happened(event: NodeEvent): string {
  switch (event.name) {
    case "NodeAdmitted": {
      const what = event.sequence === 1 ? "admitted" : `renewed, admission ${event.sequence}`;
      return `${what}, lease until ${timeText(event.leaseUntil)}`;
    }
    case "NodeAnnounced":
      return `announced ${shownText(event.url)}`;
    case "NodeRetired":
      return "retired by its operator";
    case "NodeRevoked":
      return "revoked by the verifiers";
  }
}
